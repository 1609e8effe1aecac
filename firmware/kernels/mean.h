/* Mean over neighbouring axes, int8, portable: the specification of mean_s8*.
 *   in [planes][pixels][channels]   out [planes][channels]
 * Over height and width there is one plane; over channels each pixel of the image is a plane.
 * Byte arrays, no alignment; in and out do not overlap; no scratch.
 * out = (sum + sum_offset) * factor, where sum_offset = -pixels * zero point and the factor holds
 * 1 / pixels. tflite-micro computes so whatever the scales (older versions divided and truncated where input
 * and output share scale and zero point).
 * Bound: pixels <= 2^22 (the compiler refuses more), so that the sum and the offset are within 2^29 each.
 * Spec: TFLite int8 quantization, MEAN; requantize.h rounds. */
#ifndef MCU_MEAN_H
#define MCU_MEAN_H

#include <stdint.h>

#include "requantize.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_mean_s8 {
    int32_t planes;
    int32_t pixels;
    int32_t channels;
    int32_t sum_offset;
    struct mcu_factor factor;
    struct mcu_output output;
};

void mcu_mean_s8(const struct mcu_mean_s8 *layer, const int8_t *in, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
