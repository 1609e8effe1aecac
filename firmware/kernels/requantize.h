/* From int32 accumulators to int8 outputs, rounded as TensorFlow Lite Micro rounds.
 *
 * TFLM's MultiplyByQuantizedMultiplier rounds twice: a doubling high multiply that rounds to nearest, ties
 * up, then a right shift that rounds to nearest, ties away from zero. TFLM's saturation in the high
 * multiply needs a multiplier of -2^31 and cannot happen here.
 *
 * Right shifts of negative values are arithmetic and conversions to int32_t wrap, as gcc, clang, armclang
 * and IAR define them. */
#ifndef MCU_REQUANTIZE_H
#define MCU_REQUANTIZE_H

#include <stdint.h>

#include "high_product.h"
#include "inline.h"

/* The real factor multiplier * 2^(shift - 31): multiplier in [2^30, 2^31) or 0, shift in [-31, 30]. */
struct mcu_factor {
    int32_t multiplier;
    int32_t shift;
};

/* An output tensor's zero point and the activation's range, which lies within int8. */
struct mcu_output {
    int32_t zero_point;
    int32_t min;
    int32_t max;
};

/* x times the factor, rounded twice.
 *
 * Overflow: the product is below 2^62 in magnitude, and |high| <= 2^31 - 1, so that high + (high >> 31)
 * stays within int32. A left shift wraps, which is what TFLM's build does; the compiler's parameters use
 * one only where the real factor is 1 or more. */
MCU_INLINE int32_t mcu_scale(int32_t x, struct mcu_factor factor) {
    if (MCU_LIKELY(factor.shift < 0)) {
        const int32_t high = mcu_high_product(x, factor.multiplier);
        /* floor((high - [high < 0] + 2^(n-1)) / 2^n) with n = -shift: ties away from zero. */
        return (((high + (high >> 31)) >> (-1 - factor.shift)) + 1) >> 1;
    }
    x = (int32_t)((uint32_t)x << factor.shift);
    return mcu_high_product(x, factor.multiplier);
}

MCU_INLINE int8_t mcu_clamp_s8(int32_t x, int32_t low, int32_t high) {
    x = x < low ? low : x;
    return (int8_t)(x > high ? high : x);
}

/* The accumulator scaled and moved to the output's zero point, saturated. The sum wraps as TFLM's does when
 * a factor above 1 meets a huge accumulator. */
MCU_INLINE_LARGE int32_t mcu_rescale_s8(int32_t x, const struct mcu_factor *factor, int32_t zero_point) {
    return mcu_saturate_s8((int32_t)((uint32_t)mcu_scale(x, *factor) + (uint32_t)zero_point));
}

/* The accumulator's output. */
MCU_INLINE int8_t mcu_requantize_s8(int32_t x, struct mcu_factor factor, struct mcu_output output) {
    return mcu_clamp_s8(mcu_rescale_s8(x, &factor, output.zero_point), output.min, output.max);
}

/* Four neighbouring outputs, already within int8. All are computed before one is stored: stores of bytes may
 * alias anything, as far as the C compiler knows, and would make it load everything again. Most activations
 * fill int8, where saturation is all the clamping there is. */
MCU_INLINE void mcu_store4_s8(int32_t y0, int32_t y1, int32_t y2, int32_t y3, struct mcu_output output,
                              int8_t *out) {
    if (output.max - output.min < INT8_MAX - INT8_MIN) {
        y0 = mcu_clamp_s8(y0, output.min, output.max);
        y1 = mcu_clamp_s8(y1, output.min, output.max);
        y2 = mcu_clamp_s8(y2, output.min, output.max);
        y3 = mcu_clamp_s8(y3, output.min, output.max);
    }
    out[0] = (int8_t)y0;
    out[1] = (int8_t)y1;
    out[2] = (int8_t)y2;
    out[3] = (int8_t)y3;
}

/* The outputs of four neighbouring accumulators. */
MCU_INLINE void mcu_requantize4_s8(const int32_t acc[4], const struct mcu_factor *factors,
                                   struct mcu_output output, int8_t *out) {
    const int32_t y0 = mcu_rescale_s8(acc[0], factors + 0, output.zero_point);
    const int32_t y1 = mcu_rescale_s8(acc[1], factors + 1, output.zero_point);
    const int32_t y2 = mcu_rescale_s8(acc[2], factors + 2, output.zero_point);
    const int32_t y3 = mcu_rescale_s8(acc[3], factors + 3, output.zero_point);
    mcu_store4_s8(y0, y1, y2, y3, output, out);
}

#endif
