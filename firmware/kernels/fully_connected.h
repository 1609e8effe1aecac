/* Fully connected layer, int8, portable: the specification of fully_connected_s8*.
 *   in [rows][in_channels]   weights [out_channels][in_channels]   out [rows][out_channels]
 * All byte arrays, no alignment; in and out do not overlap; no scratch.
 * bias holds the input's zero point already: bias[o] - zero_point * sum of weights[o].
 * Bound: the compiler refuses a channel in which |bias[o]| + 128 * sum |weights[o]| reaches 2^31.
 * Spec: TFLite int8 quantization, FULLY_CONNECTED; weights quantized per tensor have the same multiplier
 * in every channel; requantize.h rounds. */
#ifndef MCU_FULLY_CONNECTED_H
#define MCU_FULLY_CONNECTED_H

#include <stdint.h>

#include "requantize.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_fully_connected_s8 {
    int32_t rows;
    int32_t in_channels;
    int32_t out_channels;
    struct mcu_output output;
    const int8_t *weights;
    const int32_t *bias;              /* [out_channels], zero point folded in */
    const struct mcu_factor *factors; /* [out_channels] */
};

void mcu_fully_connected_s8(const struct mcu_fully_connected_s8 *layer, const int8_t *in, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
