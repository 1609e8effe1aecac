/* Eight neighbouring channels in int32 lanes, with Helium (MVE): channels 0, 2, 4, 6 and 1, 3, 5, 7, as its
 * widening instructions leave them and its narrowing ones take them. */
#ifndef MCU_LANES_MVE_H
#define MCU_LANES_MVE_H

#include <arm_mve.h>
#include <stdint.h>

#include "requantize_mve.h"
#include "window.h"

#define MCU_EIGHT 8

struct mcu_eight_mve {
    int32x4_t even;
    int32x4_t odd;
};

/* Values within int8 to eight neighbouring bytes. */
MCU_INLINE void mcu_store_eight(struct mcu_eight_mve values, int8_t *out) {
    const int16x8_t even = vreinterpretq_s16_s32(values.even);
    vstrbq_s16(out, vmovntq_s32(even, values.odd));
}

#define MCU_SUMMED_IN_INT16 255 /* 255 * 128 < 2^15 */

/* Sums over a window of eight neighbouring channels, from the given one. */
MCU_INLINE struct mcu_eight_mve mcu_sum_eight(const struct mcu_window *window, int32_t channel) {
    struct mcu_eight_mve sums = {vdupq_n_s32(0), vdupq_n_s32(0)};
    for (int32_t row = 0; row < window->rows; row++) {
        const int8_t *x = window->first + row * window->in_row + channel;
        int32_t left = window->columns;
        while (left > 0) {
            const int32_t count = left < MCU_SUMMED_IN_INT16 ? left : MCU_SUMMED_IN_INT16;
            int16x8_t part = vdupq_n_s16(0);
            for (int32_t i = 0; i < count; i++) {
                part = vaddq_s16(part, vldrbq_s16(x));
                x += window->channels;
            }
            sums.even = vaddq_s32(sums.even, vmovlbq_s16(part));
            sums.odd = vaddq_s32(sums.odd, vmovltq_s16(part));
            left -= count;
        }
    }
    return sums;
}

/* One channel's sum. */
MCU_INLINE int32_t mcu_sum_one(const struct mcu_window *window, int32_t channel) {
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

#endif
