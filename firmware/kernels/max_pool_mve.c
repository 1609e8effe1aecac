#include "max_pool_mve.h"

#include <arm_mve.h>

#include "inline.h"
#include "pixel_order.h"

#define LANES 16

/* The largest values in the window of 16 neighbouring channels, from the given one, or of the first count of
 * them. */
MCU_INLINE int8x16_t largest(const struct mcu_window *window, int32_t channel, int32_t count) {
    const mve_pred16_t within = vctp8q((uint32_t)count);
    int8x16_t y = vdupq_n_s8(INT8_MIN);
    for (int32_t row = 0; row < window->rows; row++) {
        const int8_t *x = window->first + row * window->in_row + channel;
        for (int32_t left = window->columns; left > 0; left--) {
            y = vmaxq_s8(y, count == LANES ? vldrbq_s8(x) : vldrbq_z_s8(x, within));
            x += window->channels;
        }
    }
    return y;
}

/* One output pixel: a group of channels' inputs is read before any of the group is written. */
MCU_INLINE void pool_pixel(const struct mcu_max_pool_s8 *layer, const struct mcu_window *window,
                           int8_t *out) {
    const int8x16_t low = vdupq_n_s8((int8_t)layer->out_min);
    const int8x16_t high = vdupq_n_s8((int8_t)layer->out_max);
    int32_t channel = 0;
    for (; channel + LANES <= window->channels; channel += LANES) {
        vstrbq_s8(out + channel, vminq_s8(vmaxq_s8(largest(window, channel, LANES), low), high));
    }
    if (channel < window->channels) {
        const int32_t rest = window->channels - channel;
        const int8x16_t y = vminq_s8(vmaxq_s8(largest(window, channel, rest), low), high);
        vstrbq_p_s8(out + channel, y, vctp8q((uint32_t)rest));
    }
}

void mcu_max_pool_s8_mve(const struct mcu_max_pool_s8 *layer, const int8_t *in, int8_t *out) {
    const int32_t channels = layer->channels;
    const int32_t in_row = layer->x.in_size * channels;
    const int32_t out_step = layer->descending ? -channels : channels;
    int32_t at = mcu_first_pixel(layer->y.out_size * layer->x.out_size, channels, layer->descending);
    for (int32_t step = 0; step < layer->y.out_size; step++) {
        const int32_t out_y = mcu_in_order(step, layer->y.out_size, layer->descending);
        const struct mcu_span y = mcu_span_at(&layer->y, out_y);
        for (int32_t i = 0; i < layer->x.out_size; i++) {
            const int32_t out_x = mcu_in_order(i, layer->x.out_size, layer->descending);
            const struct mcu_span x = mcu_span_at(&layer->x, out_x);
            const int8_t *first = in + (y.origin + y.first) * in_row + (x.origin + x.first) * channels;
            const struct mcu_window window = {first, y.end - y.first, x.end - x.first, in_row, channels};
            pool_pixel(layer, &window, out + at);
            at += out_step;
        }
    }
}
