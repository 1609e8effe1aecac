/* From an int32 accumulator to an int8 output, rounded as TensorFlow Lite Micro rounds.
 *
 * A real factor is stored as multiplier * 2^(shift - 31), multiplier in [2^30, 2^31) or 0, shift in
 * [-31, 30]. TFLM's MultiplyByQuantizedMultiplier rounds twice: a doubling high multiply that rounds to
 * nearest, ties up, then a right shift that rounds to nearest, ties away from zero. TFLM's saturation in
 * the high multiply needs multiplier = -2^31 and cannot happen here.
 *
 * Right shifts of negative values are arithmetic and conversions to int32_t wrap, as gcc, clang, armclang
 * and IAR define them. */
#ifndef MCU_REQUANTIZE_H
#define MCU_REQUANTIZE_H

#include <stdint.h>

/* x * multiplier * 2^(shift - 31), rounded twice.
 *
 * Overflow: the product is below 2^62 in magnitude, and |high| <= 2^31 - 1, so that high + (high >> 31)
 * stays within int32. A left shift wraps, which is what TFLM's build does; the compiler's parameters use
 * one only where the real factor is 1 or more. */
static inline int32_t mcu_scale(int32_t x, int32_t multiplier, int32_t shift) {
    if (shift > 0) {
        x = (int32_t)((uint32_t)x << shift);
    }
    int32_t high = (int32_t)(((int64_t)x * multiplier + (1 << 30)) >> 31);
    if (shift >= 0) {
        return high;
    }
    /* floor((high - [high < 0] + 2^(n-1)) / 2^n) with n = -shift: ties away from zero. */
    return (((high + (high >> 31)) >> (-shift - 1)) + 1) >> 1;
}

static inline int8_t mcu_clamp_s8(int32_t x, int32_t low, int32_t high) {
    x = x < low ? low : x;
    return (int8_t)(x > high ? high : x);
}

/* The accumulator's int8 output: scaled, moved to the output's zero point, clamped to [low, high], which
 * lies within int8. The sum wraps as TFLM's does when a factor above 1 meets a huge accumulator. */
static inline int8_t mcu_requantize_s8(int32_t x, int32_t multiplier, int32_t shift, int32_t zero_point,
                                       int32_t low, int32_t high) {
    uint32_t scaled = (uint32_t)mcu_scale(x, multiplier, shift);
    return mcu_clamp_s8((int32_t)(scaled + (uint32_t)zero_point), low, high);
}

#endif
