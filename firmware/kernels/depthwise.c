#include "depthwise.h"

#include "requantize.h"

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

static inline int8_t output(const struct mcu_depthwise_s8 *layer, int32_t o, int32_t acc) {
    return mcu_requantize_s8(acc, layer->multiplier[o], layer->shift[o], layer->out_zero_point,
                             layer->out_min, layer->out_max);
}

/* Output channels o .. o+3 of one pixel, channel multiplier 1. */
static inline void four_channels(const struct mcu_depthwise_s8 *layer, const struct patch *patch,
                                 const int32_t *bias, int16_t offset, int32_t o, int8_t *out) {
    const int8_t *x_row = patch->in + o;
    const int8_t *w_row = patch->weights + o;
    int32_t a0 = bias[o];
    int32_t a1 = bias[o + 1];
    int32_t a2 = bias[o + 2];
    int32_t a3 = bias[o + 3];
    for (int32_t row = 0; row < patch->rows; row++) {
        const int8_t *x = x_row;
        const int8_t *w = w_row;
        for (int32_t column = 0; column < patch->columns; column++) {
            a0 += (x[0] + offset) * w[0];
            a1 += (x[1] + offset) * w[1];
            a2 += (x[2] + offset) * w[2];
            a3 += (x[3] + offset) * w[3];
            x += patch->in_column;
            w += patch->weight_column;
        }
        x_row += patch->in_row;
        w_row += patch->weight_row;
    }
    out[o] = output(layer, o, a0);
    out[o + 1] = output(layer, o + 1, a1);
    out[o + 2] = output(layer, o + 2, a2);
    out[o + 3] = output(layer, o + 3, a3);
}

/* Output channel o, which reads input channel i. */
static inline void one_channel(const struct mcu_depthwise_s8 *layer, const struct patch *patch,
                               const int32_t *bias, int16_t offset, int32_t i, int32_t o, int8_t *out) {
    int32_t acc = bias[o];
    for (int32_t row = 0; row < patch->rows; row++) {
        const int8_t *x = patch->in + row * patch->in_row + i;
        const int8_t *w = patch->weights + row * patch->weight_row + o;
        for (int32_t column = 0; column < patch->columns; column++) {
            acc += (*x + offset) * *w;
            x += patch->in_column;
            w += patch->weight_column;
        }
    }
    out[o] = output(layer, o, acc);
}

/* All output channels of one pixel. offset is added to each input. */
static inline void pixel(const struct mcu_depthwise_s8 *layer, const struct patch *patch, const int32_t *bias,
                         int16_t offset, int8_t *out) {
    int32_t i = 0;
    if (layer->channel_multiplier == 1) {
        for (; i + 4 <= layer->in_channels; i += 4) {
            four_channels(layer, patch, bias, offset, i, out);
        }
    }
    for (; i < layer->in_channels; i++) {
        for (int32_t copy = 0; copy < layer->channel_multiplier; copy++) {
            one_channel(layer, patch, bias, offset, i, i * layer->channel_multiplier + copy, out);
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
