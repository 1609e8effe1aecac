#include "transpose_conv.h"

#include "dot.h"
#include "inline.h"

/* What reaches one output position along one axis: tap first + i * stride, from input index in - i, for
 * i < count. */
struct reach {
    int32_t first;
    int32_t in;
    int32_t count;
};

static struct reach reach_at(const struct mcu_axis *axis, int32_t out) {
    const int32_t from_pad = out + axis->pad;
    struct reach reach = {from_pad % axis->stride, from_pad / axis->stride, 0};
    if (reach.in >= axis->in_size) { /* the first taps would read past the last input */
        reach.first += (reach.in - (axis->in_size - 1)) * axis->stride;
        reach.in = axis->in_size - 1;
    }
    if (reach.first < axis->taps) {
        const int32_t taps = (axis->taps - reach.first + axis->stride - 1) / axis->stride;
        reach.count = taps <= reach.in ? taps : reach.in + 1;
    }
    return reach;
}

/* Both axes of one output pixel; distances are in elements, from one reaching tap to the next. */
struct patch {
    const int8_t *in;      /* what the first taps read */
    int32_t weight_offset; /* of the first taps, from an output channel's weights */
    int32_t rows;
    int32_t columns;
    int32_t in_row;
    int32_t weight_row;
    int32_t weight_column;
};

static struct patch patch_at(const struct mcu_transpose_conv_s8 *layer, const int8_t *in, struct reach y,
                             struct reach x) {
    const int32_t channels = layer->in_channels;
    struct patch patch;
    patch.in = in + (y.in * layer->x.in_size + x.in) * channels;
    patch.weight_offset = (y.first * layer->x.taps + x.first) * channels;
    patch.rows = y.count;
    patch.columns = x.count;
    patch.in_row = layer->x.in_size * channels;
    patch.weight_row = layer->y.stride * layer->x.taps * channels;
    patch.weight_column = layer->x.stride * channels;
    return patch;
}

/* acc[k] += the products for four output channels whose weights start filter elements apart. */
MCU_INLINE void accumulate4(int32_t acc[4], const struct patch *patch, const int8_t *w, int32_t filter,
                            int32_t channels, int16_t offset) {
    for (int32_t row = 0; row < patch->rows; row++) {
        const int8_t *x = patch->in - row * patch->in_row;
        const int8_t *w_tap = w + patch->weight_offset + row * patch->weight_row;
        for (int32_t column = 0; column < patch->columns; column++) {
            mcu_dot4_s8(acc, x - column * channels, w_tap + column * patch->weight_column, filter, channels,
                        offset);
        }
    }
}

/* acc + the products for one output channel. */
MCU_INLINE int32_t accumulate(int32_t acc, const struct patch *patch, const int8_t *w, int32_t channels,
                              int16_t offset) {
    for (int32_t row = 0; row < patch->rows; row++) {
        const int8_t *x = patch->in - row * patch->in_row;
        const int8_t *w_tap = w + patch->weight_offset + row * patch->weight_row;
        for (int32_t column = 0; column < patch->columns; column++) {
            acc = mcu_dot_s8(acc, x - column * channels, w_tap + column * patch->weight_column, channels,
                             offset);
        }
    }
    return acc;
}

/* All output channels of one pixel. */
static void pixel(const struct mcu_transpose_conv_s8 *layer, const struct patch *patch, int8_t *out) {
    const int32_t channels = layer->in_channels;
    const int32_t filter = layer->y.taps * layer->x.taps * channels; /* weights of one output channel */
    const int16_t offset = (int16_t)-layer->in_zero_point;
    const struct mcu_output output = layer->output;
    const struct mcu_factor *factors = layer->factors;
    const int32_t *bias = layer->bias;
    const int8_t *w = layer->weights;
    int32_t left = layer->out_channels;
    for (; left >= 4; left -= 4) {
        int32_t acc[4] = {bias[0], bias[1], bias[2], bias[3]};
        accumulate4(acc, patch, w, filter, channels, offset);
        mcu_requantize4_s8(acc, factors, output, out);
        w += 4 * filter;
        bias += 4;
        factors += 4;
        out += 4;
    }
    for (; left > 0; left--) {
        const int32_t acc = accumulate(*bias++, patch, w, channels, offset);
        *out++ = mcu_requantize_s8(acc, *factors++, output);
        w += filter;
    }
}

void mcu_transpose_conv_s8(const struct mcu_transpose_conv_s8 *layer, const int8_t *in, int8_t *out) {
    for (int32_t out_y = 0; out_y < layer->y.out_size; out_y++) {
        const struct reach y = reach_at(&layer->y, out_y);
        for (int32_t out_x = 0; out_x < layer->x.out_size; out_x++) {
            const struct patch patch = patch_at(layer, in, y, reach_at(&layer->x, out_x));
            pixel(layer, &patch, out);
            out += layer->out_channels;
        }
    }
}
