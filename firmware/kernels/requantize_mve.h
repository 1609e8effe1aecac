/* requantize.h for four int32 accumulators at a time, with Helium (MVE): equal to it bit for bit.
 *
 * VQRDMULH of x and m is floor((2xm + 2^31) / 2^32) = floor((xm + 2^30) / 2^31), mcu_scale's high; it would
 * saturate for two operands of -2^31 alone, and m is not negative. VRSHL by -n is floor((v + 2^(n-1)) / 2^n)
 * for n >= 1, as if v had more bits, and v for n = 0. With v = high - [high < 0] that is mcu_scale's rounding
 * of ties away from zero; |high| <= 2^31 - 1, so that v stays within int32. Where nothing is shifted right,
 * mcu_scale leaves a negative high as it is: (high & -n) is negative where high and -n are. */
#ifndef MCU_REQUANTIZE_MVE_H
#define MCU_REQUANTIZE_MVE_H

#include <arm_mve.h>
#include <stdint.h>

#include "requantize.h"

/* mcu_scale by factors below 1: shift <= 0. */
MCU_INLINE int32x4_t mcu_scale_down_mve(int32x4_t x, int32x4_t multiplier, int32x4_t shift) {
    const int32x4_t high = vqrdmulhq_s32(x, multiplier);
    return vrshlq_s32(vaddq_s32(high, vshrq_n_s32(vandq_s32(high, shift), 31)), shift);
}

/* An output tensor's zero point and range, in the registers that the kernels' loops keep. */
struct mcu_output_mve {
    int32x4_t zero_point;
    int32x4_t min;
    int32x4_t max;
};

MCU_INLINE struct mcu_output_mve mcu_output_of(struct mcu_output output) {
    const struct mcu_output_mve vectors = {vdupq_n_s32(output.zero_point), vdupq_n_s32(output.min),
                                           vdupq_n_s32(output.max)};
    return vectors;
}

/* Moved to the zero point and clamped: within int8, as min and max are. The sum wraps as requantize.h's. */
MCU_INLINE int32x4_t mcu_clamp_mve(int32x4_t scaled, struct mcu_output_mve output) {
    return vminq_s32(vmaxq_s32(vaddq_s32(scaled, output.zero_point), output.min), output.max);
}

#endif
