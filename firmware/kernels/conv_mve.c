#include "conv_mve.h"

#include "pixel_order.h"
#include "product_mve.h"

/* Rows of bytes, in_row apart, one after another; up to MCU_CONV_MVE_BEHIND bytes behind the last are
 * written. */
MCU_INLINE void copy_rows(int8_t *to, const int8_t *from, int32_t in_row, int32_t rows, int32_t bytes) {
    const int32_t left = bytes % MCU_LANES_S8;
    const mve_pred16_t rest = vctp8q((uint32_t)left);
    for (; rows > 0; rows--) {
        const int8_t *x = from;
        for (int32_t vectors = bytes / MCU_LANES_S8; vectors > 0; vectors--) {
            vstrbq_s8(to, vldrbq_s8(x));
            x += MCU_LANES_S8;
            to += MCU_LANES_S8;
        }
        if (left > 0) {
            vstrbq_s8(to, vldrbq_z_s8(x, rest));
            to += left;
        }
        from += in_row;
    }
}

/* Exactly so many bytes. */
MCU_INLINE void copy(int8_t *to, const int8_t *from, int32_t bytes) {
    for (; bytes > 0; bytes -= MCU_LANES_S8) {
        const mve_pred16_t within = vctp8q((uint32_t)bytes);
        vstrbq_p_s8(to, vldrbq_z_s8(from, within), within);
        from += MCU_LANES_S8;
        to += MCU_LANES_S8;
    }
}

/* A window of which taps are missing or lie apart: zero points, and over them the taps inside the image. */
static void conv_mve_pieces(const struct mcu_conv_s8_mve *layer, const int8_t *in, struct mcu_span y,
                            struct mcu_span x, int8_t *to) {
    const int32_t channels = layer->in_channels;
    const int32_t row_bytes = layer->x.taps * channels;
    const int8x16_t zero_points = vdupq_n_s8((int8_t)layer->in_zero_point);
    for (int32_t at = 0; at < layer->y.taps * row_bytes; at += MCU_LANES_S8) {
        vstrbq_s8(to + at, zero_points);
    }
    const int32_t taps = layer->x.dilation == 1 ? x.end - x.first : 1; /* of a piece */
    for (int32_t row = y.first; row < y.end; row++) {
        const int8_t *from = in + (y.origin + row * layer->y.dilation) * layer->x.in_size * channels;
        for (int32_t tap = x.first; tap < x.end; tap += taps) {
            copy(to + row * row_bytes + tap * channels,
                 from + (x.origin + tap * layer->x.dilation) * channels, taps * channels);
        }
    }
}

MCU_INLINE void gather(const struct mcu_conv_s8_mve *layer, const int8_t *in, struct mcu_span y,
                       struct mcu_span x, int8_t *to) {
    const int32_t channels = layer->in_channels;
    const int32_t in_row = layer->x.in_size * channels;
    if (y.end - y.first == layer->y.taps && x.end - x.first == layer->x.taps && layer->x.dilation == 1) {
        copy_rows(to, in + y.origin * in_row + x.origin * channels, layer->y.dilation * in_row, layer->y.taps,
                  layer->x.taps * channels);
    } else {
        conv_mve_pieces(layer, in, y, x, to);
    }
}

void mcu_conv_s8_mve(const struct mcu_conv_s8_mve *layer, const int8_t *in, int8_t *out, int8_t *scratch) {
    const struct mcu_product_mve product = {layer->y.taps * layer->x.taps * layer->in_channels,
                                            layer->out_channels, layer->output, layer->weights,
                                            layer->parameters};
    const int32_t out_step = layer->descending ? -layer->out_channels : layer->out_channels;
    int32_t at =
        mcu_first_pixel(layer->y.out_size * layer->x.out_size, layer->out_channels, layer->descending);
    for (int32_t step = 0; step < layer->y.out_size; step++) {
        const int32_t out_y = mcu_in_order(step, layer->y.out_size, layer->descending);
        const struct mcu_span y = mcu_span_at(&layer->y, out_y);
        for (int32_t i = 0; i < layer->x.out_size; i++) {
            const int32_t out_x = mcu_in_order(i, layer->x.out_size, layer->descending);
            gather(layer, in, y, mcu_span_at(&layer->x, out_x), scratch);
            mcu_multiply_mve(&product, scratch, out + at);
            at += out_step;
        }
    }
}
