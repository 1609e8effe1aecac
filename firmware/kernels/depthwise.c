#include "depthwise.h"

#include "depthwise_window.h"
#include "inline.h"
#include "pixel_order.h"
#include "row_done.h"

/* acc[k] += the window's products for four neighbouring channels; channel multiplier 1. */
MCU_INLINE void accumulate4(int32_t acc[4], const struct mcu_depthwise_patch *patch, int32_t channel,
                            int16_t offset) {
    const int32_t in_column = patch->in_column;
    const int32_t weight_column = patch->weight_column;
    const int8_t *x_row = patch->in + channel;
    const int8_t *w_row = patch->weights + channel;
    int32_t a0 = acc[0];
    int32_t a1 = acc[1];
    int32_t a2 = acc[2];
    int32_t a3 = acc[3];
    for (int32_t row = patch->rows; row > 0; row--) {
        const int8_t *x = x_row;
        const int8_t *w = w_row;
        for (int32_t column = patch->columns; column > 0; column--) {
            a0 += (x[0] + offset) * w[0];
            a1 += (x[1] + offset) * w[1];
            a2 += (x[2] + offset) * w[2];
            a3 += (x[3] + offset) * w[3];
            x += in_column;
            w += weight_column;
        }
        x_row += patch->in_row;
        w_row += patch->weight_row;
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
}

/* All output channels of one pixel. offset is added to each input. */
MCU_INLINE void pixel(const struct mcu_depthwise_s8 *layer, const struct mcu_depthwise_patch *patch,
                      const int32_t *bias, int16_t offset, int8_t *out) {
    const int32_t in_channels = layer->in_channels;
    const int32_t copies = layer->channel_multiplier;
    const struct mcu_output output = layer->output;
    const struct mcu_factor *factors = layer->factors;
    int32_t i = 0;
    if (copies == 1) {
        for (; i + 4 <= in_channels; i += 4) {
            int32_t acc[4] = {bias[i], bias[i + 1], bias[i + 2], bias[i + 3]};
            accumulate4(acc, patch, i, offset);
            mcu_requantize4_s8(acc, factors + i, output, out + i);
        }
    }
    for (; i < in_channels; i++) {
        for (int32_t o = i * copies; o < (i + 1) * copies; o++) {
            out[o] =
                mcu_requantize_s8(mcu_depthwise_accumulate(bias[o], patch, i, o, offset), factors[o], output);
        }
    }
}

void mcu_depthwise_s8(const struct mcu_depthwise_s8 *layer, const int8_t *in, int8_t *out) {
    const int16_t offset = (int16_t)-layer->in_zero_point;
    const int32_t in_channels = layer->in_channels;
    const int32_t out_channels = in_channels * layer->channel_multiplier;
    const int32_t out_step = layer->descending ? -out_channels : out_channels;
    int32_t at = mcu_first_pixel(layer->y.out_size * layer->x.out_size, out_channels, layer->descending);
    for (int32_t step = 0; step < layer->y.out_size; step++) {
        const int32_t out_y = mcu_in_order(step, layer->y.out_size, layer->descending);
        const struct mcu_span y = mcu_span_at(&layer->y, out_y);
        for (int32_t i = 0; i < layer->x.out_size; i++) {
            const int32_t out_x = mcu_in_order(i, layer->x.out_size, layer->descending);
            const struct mcu_span x = mcu_span_at(&layer->x, out_x);
            const struct mcu_depthwise_patch patch = mcu_depthwise_patch_at(
                &layer->y, y, &layer->x, x, in, in_channels, layer->weights, out_channels);
            if (patch.rows == layer->y.taps && patch.columns == layer->x.taps) {
                pixel(layer, &patch, layer->interior_bias, 0, out + at);
            } else {
                pixel(layer, &patch, layer->bias, offset, out + at);
            }
            at += out_step;
        }
        MCU_ROW_DONE(step);
    }
}
