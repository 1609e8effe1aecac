#include "average_pool.h"

#include "pixel_order.h"
#include "requantize.h"
#include "row_done.h"

/* One channel's sum over a rows x columns window that starts at in. */
static inline int32_t window_sum(const int8_t *in, int32_t rows, int32_t columns, int32_t in_row,
                                 int32_t channels) {
    int32_t sum = 0;
    for (int32_t row = 0; row < rows; row++) {
        const int8_t *x = in + row * in_row;
        for (int32_t column = 0; column < columns; column++) {
            sum += *x;
            x += channels;
        }
    }
    return sum;
}

void mcu_average_pool_s8(const struct mcu_average_pool_s8 *layer, const int8_t *in, int8_t *out) {
    const int32_t channels = layer->channels;
    const int32_t in_row = layer->x.in_size * channels;
    const int32_t out_step = layer->descending ? -channels : channels;
    int32_t at = mcu_first_pixel(layer->y.out_size * layer->x.out_size, channels, layer->descending);
    for (int32_t step = 0; step < layer->y.out_size; step++) {
        const int32_t out_y = mcu_in_order(step, layer->y.out_size, layer->descending);
        const struct mcu_span y = mcu_span_at(&layer->y, out_y);
        const int32_t rows = y.end - y.first;
        for (int32_t i = 0; i < layer->x.out_size; i++) {
            const int32_t out_x = mcu_in_order(i, layer->x.out_size, layer->descending);
            const struct mcu_span x = mcu_span_at(&layer->x, out_x);
            const int32_t columns = x.end - x.first;
            const int8_t *first = in + (y.origin + y.first) * in_row + (x.origin + x.first) * channels;
            const int32_t taps = rows * columns;
            for (int32_t channel = 0; channel < channels; channel++) {
                const int32_t sum = window_sum(first + channel, rows, columns, in_row, channels);
                const int32_t average = (sum > 0 ? sum + taps / 2 : sum - taps / 2) / taps;
                out[at + channel] = mcu_clamp_s8(average, layer->out_min, layer->out_max);
            }
            at += out_step;
        }
        MCU_ROW_DONE(step);
    }
}
