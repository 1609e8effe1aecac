#include "average_pool_mve.h"

#include "lanes_mve.h"
#include "pixel_order.h"

/* sum / taps, ties away from zero, within the activation's range. */
MCU_INLINE int8_t average(int32_t sum, int32_t taps, const struct mcu_average_pool_s8 *layer) {
    const int32_t half = sum > 0 ? taps / 2 : -(taps / 2);
    return mcu_clamp_s8((sum + half) / taps, layer->out_min, layer->out_max);
}

/* One output pixel: eight channels' inputs are read before any of the eight is written. Helium does not
 * divide. */
MCU_INLINE void pool_pixel(const struct mcu_average_pool_s8 *layer, const struct mcu_window *window,
                           int8_t *out) {
    const int32_t taps = window->rows * window->columns;
    int32_t channel = 0;
    for (; channel + MCU_EIGHT <= window->channels; channel += MCU_EIGHT) {
        const struct mcu_eight_mve eight = mcu_sum_eight(window, channel);
        const int32x4x2_t pairs = {{eight.even, eight.odd}};
        int32_t sums[MCU_EIGHT];
        vst2q_s32(sums, pairs);
        for (int32_t i = 0; i < MCU_EIGHT; i++) {
            out[channel + i] = average(sums[i], taps, layer);
        }
    }
    for (; channel < window->channels; channel++) {
        out[channel] = average(mcu_sum_one(window, channel), taps, layer);
    }
}

void mcu_average_pool_s8_mve(const struct mcu_average_pool_s8 *layer, const int8_t *in, int8_t *out) {
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
