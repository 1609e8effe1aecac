/* Joins tensors along one axis, int8, portable: the specification of concatenation_s8*.
 *   inputs [count] of [outer][runs[i]]   out [outer][sum of runs]
 * outer: product of the axes before the joined one; runs[i]: bytes of input i from that axis on.
 * Byte arrays, no alignment; no input overlaps out; no scratch.
 * Spec: TFLite CONCATENATION; inputs and output share scale and zero point. */
#ifndef MCU_CONCATENATION_H
#define MCU_CONCATENATION_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_concatenation_s8 {
    int32_t outer;
    int32_t count;
    const int32_t *runs; /* [count] */
};

void mcu_concatenation_s8(const struct mcu_concatenation_s8 *layer, const int8_t *const *inputs, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
