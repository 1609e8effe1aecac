#include "conv.h"

#include "dot.h"
#include "inline.h"
#include "pixel_order.h"
#include "row_done.h"

/* The part of one output pixel's window that lies inside the input, as contiguous pieces: rows of the
 * window where dilation is 1, else single taps. */
struct patch {
    const int8_t *in;      /* first piece */
    int32_t weight_offset; /* of the first piece, from an output channel's weights */
    int32_t pieces;
    int32_t row;      /* pieces a row */
    int32_t length;   /* of a piece, in elements */
    int32_t in_piece; /* distances between two pieces of a row, in elements; of weights it is length */
    int32_t in_row;   /* ... and between a row's last piece and the next row's first */
    int32_t weight_row;
};

static struct patch patch_at(const struct mcu_conv_s8 *layer, const int8_t *in, struct mcu_span y,
                             struct mcu_span x) {
    const int32_t channels = layer->in_channels;
    const int32_t taps = x.end - x.first;
    const int32_t in_row = layer->x.in_size * channels;
    const int32_t weight_row = layer->x.taps * channels;
    const int32_t is_dense = layer->x.dilation == 1;
    struct patch patch;
    patch.in = in + (y.origin + y.first * layer->y.dilation) * in_row +
               (x.origin + x.first * layer->x.dilation) * channels;
    patch.weight_offset = y.first * weight_row + x.first * channels;
    patch.row = is_dense ? 1 : taps;
    patch.pieces = (y.end - y.first) * patch.row;
    patch.length = is_dense ? taps * channels : channels;
    patch.in_piece = layer->x.dilation * channels;
    patch.in_row = layer->y.dilation * in_row - (patch.row - 1) * patch.in_piece;
    patch.weight_row = weight_row - (patch.row - 1) * channels;
    return patch;
}

/* A piece, and how many of its row are left, itself among them. */
struct piece {
    const int8_t *x;
    const int8_t *w;
    int32_t left;
};

MCU_INLINE void to_next_piece(struct piece *at, const struct patch *patch) {
    if (--at->left > 0) {
        at->x += patch->in_piece;
        at->w += patch->length;
    } else {
        at->x += patch->in_row;
        at->w += patch->weight_row;
        at->left = patch->row;
    }
}

/* acc[k] += the window's products for four output channels whose weights start filter elements apart. */
MCU_INLINE void accumulate4(int32_t acc[4], const struct patch *patch, const int8_t *w, int32_t filter,
                            int16_t offset) {
    struct piece at = {patch->in, w + patch->weight_offset, patch->row};
    for (int32_t left = patch->pieces; left > 0; left--) {
        mcu_dot4_s8(acc, at.x, at.w, filter, patch->length, offset);
        to_next_piece(&at, patch);
    }
}

/* acc + the window's products for one output channel. */
MCU_INLINE int32_t accumulate(int32_t acc, const struct patch *patch, const int8_t *w, int16_t offset) {
    struct piece at = {patch->in, w + patch->weight_offset, patch->row};
    for (int32_t left = patch->pieces; left > 0; left--) {
        acc = mcu_dot_s8(acc, at.x, at.w, patch->length, offset);
        to_next_piece(&at, patch);
    }
    return acc;
}

/* All output channels of one pixel. offset is added to each input. */
MCU_INLINE void pixel(const struct mcu_conv_s8 *layer, const struct patch *patch, const int32_t *bias,
                      int16_t offset, int8_t *out) {
    const int32_t filter = layer->y.taps * layer->x.taps * layer->in_channels; /* weights of one output */
    const struct mcu_output output = layer->output;
    const struct mcu_factor *factors = layer->factors;
    const int8_t *w = layer->weights;
    int32_t left = layer->out_channels;
    for (; left >= 4; left -= 4) {
        int32_t acc[4] = {bias[0], bias[1], bias[2], bias[3]};
        accumulate4(acc, patch, w, filter, offset);
        mcu_requantize4_s8(acc, factors, output, out);
        w += 4 * filter;
        bias += 4;
        factors += 4;
        out += 4;
    }
    for (; left > 0; left--) {
        *out++ = mcu_requantize_s8(accumulate(*bias++, patch, w, offset), *factors++, output);
        w += filter;
    }
}

void mcu_conv_s8(const struct mcu_conv_s8 *layer, const int8_t *in, int8_t *out) {
    const int16_t offset = (int16_t)-layer->in_zero_point;
    const int32_t out_step = layer->descending ? -layer->out_channels : layer->out_channels;
    int32_t at =
        mcu_first_pixel(layer->y.out_size * layer->x.out_size, layer->out_channels, layer->descending);
    for (int32_t step = 0; step < layer->y.out_size; step++) {
        const int32_t out_y = mcu_in_order(step, layer->y.out_size, layer->descending);
        const struct mcu_span y = mcu_span_at(&layer->y, out_y);
        for (int32_t i = 0; i < layer->x.out_size; i++) {
            const int32_t out_x = mcu_in_order(i, layer->x.out_size, layer->descending);
            const struct mcu_span x = mcu_span_at(&layer->x, out_x);
            const struct patch patch = patch_at(layer, in, y, x);
            if (y.end - y.first == layer->y.taps && x.end - x.first == layer->x.taps) {
                pixel(layer, &patch, layer->interior_bias, 0, out + at);
            } else {
                pixel(layer, &patch, layer->bias, offset, out + at);
            }
            at += out_step;
        }
        MCU_ROW_DONE(step);
    }
}
