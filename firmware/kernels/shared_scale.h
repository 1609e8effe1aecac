/* The scale that ADD and SUB bring both operands to, twice the larger of theirs with 20 bits of headroom, and
 * the way from there to the output: requantize.h's mcu_scale, exactly, in the forms that its operands allow.
 *
 * y = x - zero point, |y| <= 255 < 2^8. An operand's factor m * 2^(-31 - n) is at most 1/2: either n >= 1, or
 * it is 1/2 itself, which is that of the larger scale.
 *   high = floor((y * 2^20 * m + 2^30) / 2^31) = floor((y * m + 2^10) / 2^11), and with m = top * 2^16 + low
 *        = y * top * 2^5 + floor((y * low + 2^10) / 2^11)
 * Bound: |y * top * 2^5| < 2^8 * 2^15 * 2^5 = 2^28 and |y * low| < 2^24: no product needs 64 bits.
 * The shift rounds ties away from zero: floor((high - [high < 0] + 2^(n-1)) / 2^n). It takes [y < 0] for
 * [high < 0]: they differ where high = 0 only, where n >= 1 gives 0 either way. */
#ifndef MCU_SHARED_SCALE_H
#define MCU_SHARED_SCALE_H

#include <stdint.h>

#include "requantize.h"

#define MCU_HEADROOM_BITS 20

/* Whether a factor is 1/2, which that of the larger scale is, and no factor exceeds. */
MCU_INLINE int32_t mcu_is_half(struct mcu_factor factor) {
    return factor.shift == 0 && factor.multiplier == 1 << 30;
}

/* One operand's way to the shared scale. */
struct mcu_operand {
    int32_t zero_point;
    int32_t top; /* times 2^5 */
    int32_t low;
    int32_t half; /* 2^(n-1) */
    int32_t shift;
};

/* A factor of 1/2 is 1 * 2^-1: high is even then, and half of it has no ties. */
MCU_INLINE struct mcu_operand mcu_operand_of(int32_t zero_point, struct mcu_factor factor) {
    const int32_t doubled = factor.shift == 0;
    const int32_t shift = doubled - factor.shift;
    const struct mcu_operand operand = {zero_point, (factor.multiplier >> 16) << (5 + doubled),
                                        factor.multiplier & 0xffff, 1 << (shift - 1), shift};
    return operand;
}

MCU_INLINE int32_t mcu_to_shared_scale(int8_t x, struct mcu_operand operand) {
    const int32_t y = x - operand.zero_point;
    const int32_t high = y * operand.top + operand.half + ((y * operand.low + (1 << 10)) >> 11);
    return (high + (y >> 31)) >> operand.shift;
}

/* From the shared scale to the output: factor m * 2^(-31 - n) below 1.
 * Bound: |sum| < 2^28, so that 2 * sum fits, whose product's upper half is the doubling high multiply. */
struct mcu_sum {
    int64_t rounding; /* 2^31, and 2^(n-1) above it, added to the product */
    int32_t multiplier;
    int32_t ties_away; /* -1; 0 where nothing is shifted */
    int32_t shift;
    struct mcu_output output;
};

MCU_INLINE struct mcu_sum mcu_sum_of(struct mcu_factor factor, struct mcu_output output) {
    const int32_t shift = -factor.shift;
    const int64_t half = shift ? (int64_t)1 << (shift - 1) : 0;
    const struct mcu_sum sum = {(half << 32) + ((int64_t)1 << 31), factor.multiplier, -(shift != 0), shift,
                                output};
    return sum;
}

/* The output of a sum, saturated but not clamped. What is added above the product's lower half may as well be
 * added to its upper half. */
MCU_INLINE int32_t mcu_from_shared_scale(int32_t x, struct mcu_sum sum) {
#if MCU_THUMB_1
    const int32_t high = mcu_high_product(x, sum.multiplier) + (int32_t)(sum.rounding >> 32);
#else
    const int32_t high = (int32_t)(((int64_t)(x * 2) * sum.multiplier + sum.rounding) >> 32);
#endif
    const int32_t scaled = (high + ((x >> 31) & sum.ties_away)) >> sum.shift;
    return mcu_saturate_s8(scaled + sum.output.zero_point);
}

#endif
