/* The doubling high multiply: the upper half of twice a product, rounded to nearest, ties up.
 *
 *   high = floor((x * m + 2^30) / 2^31),   x any int32, m in [0, 2^31)
 *
 * By halves, for cores that keep only the lower 32 bits of a product: with x = x1 * 2^16 + x0,
 * m = m1 * 2^16 + m0 and x0, m0 in [-2^15, 2^15),
 *   high = 2 * x1 * m1 + floor(sum / 2^15),  sum = x1 * m0 + x0 * m1 + floor(x0 * m0 / 2^16) + 2^14.
 * Bound: |x1|, m1 <= 2^15, so that no product exceeds 2^30, and sum >= -2^30 - 2^30 - 2^14 + 2^14. Upwards
 * x0 * m1 < 2^30 and is a multiple of m1 <= 2^15. Either x1 * m0 <= 2^30 - 2^15, and
 *   sum <= 2^30 - 2^15 + 2^30 - 2^15 + 2^14 + 2^14 = 2^31 - 2^15,
 * or x1 = m0 = -2^15, where x0 * m0 and x0 * m1 have different signs: sum <= 2^31 - 2^15 + 2^14. */
#ifndef MCU_HIGH_PRODUCT_H
#define MCU_HIGH_PRODUCT_H

#include <stdint.h>

#include "inline.h"

MCU_INLINE int32_t mcu_high_product_by_halves(int32_t x, int32_t m) {
    const int32_t x0 = (int16_t)x;
    const int32_t m0 = (int16_t)m;
    const int32_t x1 = ((x >> 15) + 1) >> 1; /* (x - x0) / 2^16 */
    const int32_t m1 = ((m >> 15) + 1) >> 1;
    const int32_t sum = x1 * m0 + x0 * m1 + ((x0 * m0) >> 16) + (1 << 14);
    return (int32_t)(((uint32_t)(x1 * m1) << 1) + (uint32_t)(sum >> 15));
}

MCU_INLINE int32_t mcu_high_product(int32_t x, int32_t m) {
#if !MCU_THUMB_1
    return (int32_t)(((int64_t)x * m + (1 << 30)) >> 31);
#else
    return mcu_high_product_by_halves(x, m);
#endif
}

#endif
