#include "average_pool.h"

#include "pixel_order.h"
#include "requantize.h"
#include "row_done.h"

/* Sums over the window of four neighbouring channels, from the given one. */
static inline void four_sums(const struct mcu_window *window, int32_t channel, int32_t sums[4]) {
    const int32_t channels = window->channels;
    int32_t s0 = 0;
    int32_t s1 = 0;
    int32_t s2 = 0;
    int32_t s3 = 0;
    for (int32_t row = 0; row < window->rows; row++) {
        const int8_t *x = window->first + row * window->in_row + channel;
        for (int32_t left = window->columns; left > 0; left--) {
            s0 += x[0];
            s1 += x[1];
            s2 += x[2];
            s3 += x[3];
            x += channels;
        }
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

/* One channel's sum over the window. */
static inline int32_t one_sum(const struct mcu_window *window, int32_t channel) {
    int32_t sum = 0;
    for (int32_t row = 0; row < window->rows; row++) {
        const int8_t *x = window->first + row * window->in_row + channel;
        for (int32_t left = window->columns; left > 0; left--) {
            sum += *x;
            x += window->channels;
        }
    }
    return sum;
}

/* sum / taps, ties away from zero, within the activation's range. */
static inline int8_t average(int32_t sum, int32_t taps, const struct mcu_average_pool_s8 *layer) {
    const int32_t half = sum > 0 ? taps / 2 : -(taps / 2);
    return mcu_clamp_s8((sum + half) / taps, layer->out_min, layer->out_max);
}

/* One output pixel: four channels' inputs are read before any of the four is written. */
static inline void pool_pixel(const struct mcu_average_pool_s8 *layer, const struct mcu_window *window,
                              int8_t *out) {
    const int32_t taps = window->rows * window->columns;
    int32_t channel = 0;
    while (channel < window->channels) {
        int32_t sums[4];
        int32_t count = 4;
        if (channel + 4 <= window->channels) {
            four_sums(window, channel, sums);
        } else {
            sums[0] = one_sum(window, channel);
            count = 1;
        }
        for (int32_t i = 0; i < count; i++) {
            out[channel++] = average(sums[i], taps, layer);
        }
    }
}

void mcu_average_pool_s8(const struct mcu_average_pool_s8 *layer, const int8_t *in, int8_t *out) {
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
        MCU_ROW_DONE(step);
    }
}
