/* A function of one int8 variable, looked up, portable: the specification of table_s8*.
 *   in [count]   table [256]   out [count]
 * All byte arrays, no alignment, no scratch. out may be in: element i is written after element i is read,
 * and nothing else of in is needed afterwards. Entry i of the table is the function of i - 128.
 * Spec: TFLite int8 quantization, RELU, RELU6, LEAKY_RELU, HARD_SWISH, LOGISTIC, TANH and QUANTIZE, whose
 * arithmetic the compiler has done for every input. */
#ifndef MCU_TABLE_H
#define MCU_TABLE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_table_s8 {
    int32_t count;
    const int8_t *table;
};

void mcu_table_s8(const struct mcu_table_s8 *layer, const int8_t *in, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
