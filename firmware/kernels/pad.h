/* Padding with one value, int8, portable: the specification of pad_s8*.
 *   in [outer.size][middle.size][inner.size]
 *   out [outer.before + outer.size + outer.after][the same of middle][the same of inner]
 * The compiler has joined axes that are not padded with the one before them. value is the zero point, or what
 * PADV2 gives.
 * Byte arrays, no alignment; in and out do not overlap; no scratch.
 * Spec: TFLite PAD, PADV2, which keep scale and zero point. */
#ifndef MCU_PAD_H
#define MCU_PAD_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_padded_axis {
    int32_t before;
    int32_t size;
    int32_t after;
};

struct mcu_pad_s8 {
    struct mcu_padded_axis outer;
    struct mcu_padded_axis middle;
    struct mcu_padded_axis inner;
    int32_t value; /* int8 */
};

void mcu_pad_s8(const struct mcu_pad_s8 *layer, const int8_t *in, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
