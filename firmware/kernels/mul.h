/* a * b of int8 tensors, either of which may be repeated, portable: the specification of mul_s8*.
 *   a, b and out: broadcast.h
 * All byte arrays, no alignment, no scratch. out may be an operand of its own size.
 * Bound: |a - zero point| <= 255, so that the product is at most 65,025 < 2^16; the shift is at most 15.
 * Spec: TFLite int8 quantization, MUL; requantize.h rounds. */
#ifndef MCU_MUL_H
#define MCU_MUL_H

#include <stdint.h>

#include "broadcast.h"
#include "requantize.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_mul_s8 {
    struct mcu_extent size;
    struct mcu_extent a_step;
    struct mcu_extent b_step;
    int32_t a_zero_point;
    int32_t b_zero_point;
    struct mcu_factor factor; /* from the product to the output; shift <= 15 */
    struct mcu_output output;
};

void mcu_mul_s8(const struct mcu_mul_s8 *layer, const int8_t *a, const int8_t *b, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
