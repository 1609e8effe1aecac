/* Dot products of int8 vectors: the inner loops of pointwise, conv and fully_connected.
 *
 * offset is added to each element of x: 0 where the input's zero point is folded into the bias, minus the
 * zero point where part of a window is padding. Always a literal 0 or a loop invariant, so that inlining
 * leaves no addition in the first case. The last element comes first: an index that ends with 0 needs neither
 * a comparison nor a register for the count.
 *
 * Bound: the caller's, see there. |w * (x + offset)| <= 2^7 * 255 < 2^15 for each element. */
#ifndef MCU_DOT_H
#define MCU_DOT_H

#include <stdint.h>

#include "inline.h"

/* acc[k] += sum of w[k * row + i] * (x[i] + offset) over i < count, for the four k: one load of x serves
 * four multiplications. */
MCU_INLINE void mcu_dot4_s8(int32_t acc[4], const int8_t *x, const int8_t *w, int32_t row, int32_t count,
                            int16_t offset) {
    const int8_t *w1 = w + row;
    const int8_t *w2 = w1 + row;
    const int8_t *w3 = w2 + row;
    int32_t a0 = acc[0];
    int32_t a1 = acc[1];
    int32_t a2 = acc[2];
    int32_t a3 = acc[3];
    for (int32_t i = count - 1; i >= 0; i--) {
        int32_t v = x[i] + offset;
        a0 += v * w[i];
        a1 += v * w1[i];
        a2 += v * w2[i];
        a3 += v * w3[i];
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
}

/* acc + sum of w[i] * (x[i] + offset) over i < count. */
MCU_INLINE int32_t mcu_dot_s8(int32_t acc, const int8_t *x, const int8_t *w, int32_t count, int16_t offset) {
    for (int32_t i = count - 1; i >= 0; i--) {
        acc += (x[i] + offset) * w[i];
    }
    return acc;
}

#endif
