#include "max_pool.h"

#include "pixel_order.h"
#include "requantize.h"
#include "row_done.h"

/* One channel's largest value in a rows x columns window that starts at in. */
static inline int32_t window_largest(const int8_t *in, int32_t rows, int32_t columns, int32_t in_row,
                                     int32_t channels) {
    int32_t largest = INT8_MIN;
    for (int32_t row = 0; row < rows; row++) {
        const int8_t *x = in + row * in_row;
        for (int32_t column = 0; column < columns; column++) {
            largest = *x > largest ? *x : largest;
            x += channels;
        }
    }
    return largest;
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
            for (int32_t channel = 0; channel < channels; channel++) {
                const int32_t largest =
                    window_largest(first + channel, y.end - y.first, x.end - x.first, in_row, channels);
                out[at + channel] = mcu_clamp_s8(largest, layer->out_min, layer->out_max);
            }
            at += out_step;
        }
        MCU_ROW_DONE(step);
    }
}
