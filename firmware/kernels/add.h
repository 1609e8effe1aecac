/* Elementwise addition of two int8 tensors of one shape, portable: the specification of add_s8*.
 *   a [count]   b [count]   out [count]
 * All byte arrays, no alignment, no scratch. out may be a or b: element i is written after element i of
 * both is read, and nothing else of a or b is needed afterwards.
 * Both inputs are brought to a shared scale with 20 bits of headroom, added, then scaled to the output.
 * The shared scale is twice the larger one: that operand's factor is 1/2, which the kernel relies on, and the
 * other's at most 1/2.
 * Bound: shared_scale.h's for an operand, |a - zero point| <= 255, so that the sum is within 510 * 2^19,
 * below 2^28.
 * Spec: TFLite int8 quantization, ADD (left shift 20, as TFLM's ADD); requantize.h rounds. */
#ifndef MCU_ADD_H
#define MCU_ADD_H

#include <stdint.h>

#include "requantize.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_add_s8 {
    int32_t count;
    int32_t a_zero_point;
    int32_t b_zero_point;
    struct mcu_factor a_factor; /* to the shared scale; shift <= 0 */
    struct mcu_factor b_factor;
    struct mcu_factor sum_factor; /* from the shared scale to the output; shift <= 0 */
    struct mcu_output output;
};

void mcu_add_s8(const struct mcu_add_s8 *layer, const int8_t *a, const int8_t *b, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
