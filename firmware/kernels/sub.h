/* a - b of int8 tensors, either of which may be repeated, portable: the specification of sub_s8*.
 *   a, b and out: broadcast.h
 * All byte arrays, no alignment, no scratch. out may be an operand of its own size.
 * Both inputs are brought to a shared scale with 20 bits of headroom, subtracted, then scaled to the output.
 * Bound: as in add.h: the difference of the two is below 2^28.
 * Spec: TFLite int8 quantization, SUB (left shift 20, as TFLM's SUB); requantize.h rounds. */
#ifndef MCU_SUB_H
#define MCU_SUB_H

#include <stdint.h>

#include "broadcast.h"
#include "requantize.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_sub_s8 {
    struct mcu_extent size;
    struct mcu_extent a_step;
    struct mcu_extent b_step;
    int32_t a_zero_point;
    int32_t b_zero_point;
    struct mcu_factor a_factor; /* to the shared scale; shift <= 0 */
    struct mcu_factor b_factor;
    struct mcu_factor difference_factor; /* from the shared scale to the output; shift <= 0 */
    struct mcu_output output;
};

void mcu_sub_s8(const struct mcu_sub_s8 *layer, const int8_t *a, const int8_t *b, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
