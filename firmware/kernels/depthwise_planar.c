#include "depthwise_planar.h"

#include "depthwise_window.h"
#include "inline.h"
#include "row_done.h"

/* Outputs first <= o < end have all their taps inside the input. */
struct interior {
    int32_t first;
    int32_t end;
};

static struct interior interior_of(const struct mcu_axis *axis) {
    const int32_t last = axis->in_size - 1 + axis->pad - (axis->taps - 1) * axis->dilation;
    struct interior interior = {(axis->pad + axis->stride - 1) / axis->stride, 0};
    if (last >= 0) {
        interior.end = last / axis->stride + 1;
    }
    if (interior.end > axis->out_size) {
        interior.end = axis->out_size;
    }
    return interior;
}

/* acc[k] += the products of four neighbouring windows of one channel, inside the input and in_step elements
 * apart: one load of a weight serves four multiplications. */
MCU_INLINE void accumulate4(int32_t acc[4], const struct mcu_depthwise_patch *patch, int32_t channel,
                            int32_t in_step) {
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
            const int32_t weight = *w;
            a0 += x[0] * weight;
            a1 += x[in_step] * weight;
            a2 += x[2 * in_step] * weight;
            a3 += x[3 * in_step] * weight;
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

/* One row of one channel's outputs. in: the whole input; inside: the columns of whole windows, none where
 * the row itself meets the border. */
static void plane_row(const struct mcu_depthwise_planar_s8 *layer, const int8_t *in, int32_t channel,
                      struct mcu_span y, struct interior inside, int8_t *out) {
    const int32_t channels = layer->in_channels;
    const int32_t in_step = layer->x.stride * channels;
    const int32_t interior_bias = layer->interior_bias[channel];
    const int32_t bias = layer->bias[channel];
    const int16_t offset = (int16_t)-layer->in_zero_point;
    const struct mcu_factor factor = layer->factors[channel];
    const struct mcu_output output = layer->output;
    const int32_t width = layer->x.out_size;
    int32_t count;
    for (int32_t out_x = 0; out_x < width; out_x += count) {
        const struct mcu_span x = mcu_span_at(&layer->x, out_x);
        const struct mcu_depthwise_patch patch =
            mcu_depthwise_patch_at(&layer->y, y, &layer->x, x, in, channels, layer->weights, channels);
        const int is_inside = out_x >= inside.first && out_x < inside.end;
        int32_t acc[4] = {interior_bias, interior_bias, interior_bias, interior_bias};
        if (is_inside && out_x + 4 <= inside.end) {
            accumulate4(acc, &patch, channel, in_step);
            count = 4;
        } else {
            acc[0] = is_inside ? mcu_depthwise_accumulate(interior_bias, &patch, channel, channel, 0)
                               : mcu_depthwise_accumulate(bias, &patch, channel, channel, offset);
            count = 1;
        }
        for (int32_t k = 0; k < count; k++) {
            out[out_x + k] = mcu_requantize_s8(acc[k], factor, output);
        }
    }
}

void mcu_depthwise_planar_s8(const struct mcu_depthwise_planar_s8 *layer, const int8_t *in, int8_t *out,
                             int8_t *scratch) {
    const struct interior columns = interior_of(&layer->x);
    const int32_t channels = layer->in_channels;
    const int32_t width = layer->x.out_size;
    const int32_t pixels = layer->y.out_size * width;
    for (int32_t channel = 0; channel < channels; channel++) {
        for (int32_t out_y = 0; out_y < layer->y.out_size; out_y++) {
            const struct mcu_span y = mcu_span_at(&layer->y, out_y);
            const struct interior none = {0, 0};
            const int whole = y.end - y.first == layer->y.taps;
            plane_row(layer, in, channel, y, whole ? columns : none, scratch + out_y * width);
        }
        for (int32_t pixel = 0; pixel < pixels; pixel++) {
            out[pixel * channels + channel] = scratch[pixel];
        }
        MCU_ROW_DONE(channel);
    }
}
