#include "depthwise.h"

#include "inline.h"

/* The taps of one output pixel's window that lie inside the input. */
struct patch {
    const int8_t *in; /* first tap */
    const int8_t *weights;
    int32_t rows;
    int32_t columns;
    int32_t in_row; /* distances between rows and columns, in elements */
    int32_t in_column;
    int32_t weight_row;
    int32_t weight_column; /* = output channels */
};

static struct patch patch_at(const struct mcu_depthwise_s8 *layer, const int8_t *in, struct mcu_span y,
                             struct mcu_span x) {
    const int32_t in_row = layer->x.in_size * layer->in_channels;
    struct patch patch;
    patch.in = in + (y.origin + y.first * layer->y.dilation) * in_row +
               (x.origin + x.first * layer->x.dilation) * layer->in_channels;
    patch.weight_column = layer->in_channels * layer->channel_multiplier;
    patch.weight_row = layer->x.taps * patch.weight_column;
    patch.weights = layer->weights + y.first * patch.weight_row + x.first * patch.weight_column;
    patch.rows = y.end - y.first;
    patch.columns = x.end - x.first;
    patch.in_row = layer->y.dilation * in_row;
    patch.in_column = layer->x.dilation * layer->in_channels;
    return patch;
}

/* acc[k] += the window's products for four neighbouring channels; channel multiplier 1. */
MCU_INLINE void accumulate4(int32_t acc[4], const struct patch *patch, int32_t channel, int16_t offset) {
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

/* acc + the window's products of one input channel with one output channel's weights. */
MCU_INLINE int32_t accumulate(int32_t acc, const struct patch *patch, int32_t in_channel, int32_t out_channel,
                              int16_t offset) {
    const int8_t *x_row = patch->in + in_channel;
    const int8_t *w_row = patch->weights + out_channel;
    for (int32_t row = patch->rows; row > 0; row--) {
        const int8_t *x = x_row;
        const int8_t *w = w_row;
        for (int32_t column = patch->columns; column > 0; column--) {
            acc += (*x + offset) * *w;
            x += patch->in_column;
            w += patch->weight_column;
        }
        x_row += patch->in_row;
        w_row += patch->weight_row;
    }
    return acc;
}

/* All output channels of one pixel. offset is added to each input. */
MCU_INLINE void pixel(const struct mcu_depthwise_s8 *layer, const struct patch *patch, const int32_t *bias,
                      int16_t offset, int8_t *out) {
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
            out[o] = mcu_requantize_s8(accumulate(bias[o], patch, i, o, offset), factors[o], output);
        }
    }
}

void mcu_depthwise_s8(const struct mcu_depthwise_s8 *layer, const int8_t *in, int8_t *out) {
    const int16_t offset = (int16_t)-layer->in_zero_point;
    for (int32_t out_y = 0; out_y < layer->y.out_size; out_y++) {
        const struct mcu_span y = mcu_span_at(&layer->y, out_y);
        for (int32_t out_x = 0; out_x < layer->x.out_size; out_x++) {
            const struct mcu_span x = mcu_span_at(&layer->x, out_x);
            const struct patch patch = patch_at(layer, in, y, x);
            if (patch.rows == layer->y.taps && patch.columns == layer->x.taps) {
                pixel(layer, &patch, layer->interior_bias, 0, out);
            } else {
                pixel(layer, &patch, layer->bias, offset, out);
            }
            out += patch.weight_column;
        }
    }
}
