/* Softmax of rows, int8, portable: the specification of softmax_s8*.
 *   in [rows][count]   out [rows][count]
 * Byte arrays, no alignment, no scratch. out may be in: element i is written after element i is read, and
 * a row's largest element and sum are known before its first is written.
 * out = exp(x) / (sum of exp) with scale 1/256 and zero point -128, in fixed point as TFLM computes it: the
 * distance to the largest element in Q5.26, exponentials in Q0.31, their sum in Q12.19.
 * Bounds: differences below diff_min count as 0, which keeps the others above -2^31 when scaled;
 * count <= 4095 (the compiler refuses more), so that the sum stays below 2^31. TFLM aborts where the sum
 * reaches 512; here all outputs round to 0 there, as the arithmetic goes on to say.
 * Spec: TFLite int8 quantization, SOFTMAX. */
#ifndef MCU_SOFTMAX_H
#define MCU_SOFTMAX_H

#include <stdint.h>

#include "requantize.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_softmax_s8 {
    int32_t rows;
    int32_t count;
    int32_t diff_min;
    struct mcu_factor factor; /* from differences to Q5.26; shift >= 0 */
};

void mcu_softmax_s8(const struct mcu_softmax_s8 *layer, const int8_t *in, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
