/* The scale that ADD and SUB bring both operands to: twice the larger of theirs, with headroom.
 *
 * |x - zero point| <= 255 < 2^8, so that the shifted value is below 2^28. */
#ifndef MCU_SHARED_SCALE_H
#define MCU_SHARED_SCALE_H

#include <stdint.h>

#include "requantize.h"

#define MCU_HEADROOM_BITS 20

MCU_INLINE int32_t mcu_to_shared_scale(int8_t x, int32_t zero_point, struct mcu_factor factor) {
    return mcu_scale((x - zero_point) * (1 << MCU_HEADROOM_BITS), factor);
}

#endif
