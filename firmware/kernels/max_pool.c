#include "max_pool.h"

#include "pixel_order.h"
#include "requantize.h"
#include "row_done.h"

static inline int32_t larger(int32_t a, int32_t b) {
    return a > b ? a : b;
}

/* The largest values in the window of four neighbouring channels, from the given one. */
static inline void four_largest(const struct mcu_window *window, int32_t channel, int32_t largest[4]) {
    const int32_t channels = window->channels;
    int32_t y0 = INT8_MIN;
    int32_t y1 = INT8_MIN;
    int32_t y2 = INT8_MIN;
    int32_t y3 = INT8_MIN;
    for (int32_t row = 0; row < window->rows; row++) {
        const int8_t *x = window->first + row * window->in_row + channel;
        for (int32_t left = window->columns; left > 0; left--) {
            y0 = larger(x[0], y0);
            y1 = larger(x[1], y1);
            y2 = larger(x[2], y2);
            y3 = larger(x[3], y3);
            x += channels;
        }
    }
    largest[0] = y0;
    largest[1] = y1;
    largest[2] = y2;
    largest[3] = y3;
}

/* One channel's largest value in the window. */
static inline int32_t one_largest(const struct mcu_window *window, int32_t channel) {
    int32_t largest = INT8_MIN;
    for (int32_t row = 0; row < window->rows; row++) {
        const int8_t *x = window->first + row * window->in_row + channel;
        for (int32_t left = window->columns; left > 0; left--) {
            largest = larger(*x, largest);
            x += window->channels;
        }
    }
    return largest;
}

/* One output pixel: four channels' inputs are read before any of the four is written. */
static inline void pool_pixel(const struct mcu_max_pool_s8 *layer, const struct mcu_window *window,
                              int8_t *out) {
    int32_t channel = 0;
    while (channel < window->channels) {
        int32_t largest[4];
        int32_t count = 4;
        if (channel + 4 <= window->channels) {
            four_largest(window, channel, largest);
        } else {
            largest[0] = one_largest(window, channel);
            count = 1;
        }
        for (int32_t i = 0; i < count; i++) {
            out[channel++] = mcu_clamp_s8(largest[i], layer->out_min, layer->out_max);
        }
    }
}

void mcu_max_pool_s8(const struct mcu_max_pool_s8 *layer, const int8_t *in, int8_t *out) {
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
