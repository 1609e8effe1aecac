/* Reshape, int8, portable: the specification of reshape_s8*. A copy, for where the output cannot lie in the
 * memory of the input.
 *   in [count]   out [count]
 * Byte arrays, no alignment; in and out do not overlap; no scratch.
 * Spec: TFLite RESHAPE, which keeps scale and zero point. */
#ifndef MCU_RESHAPE_H
#define MCU_RESHAPE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_reshape_s8 {
    int32_t count;
};

void mcu_reshape_s8(const struct mcu_reshape_s8 *layer, const int8_t *in, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
