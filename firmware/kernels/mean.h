/* Mean over height and width, int8, portable: the specification of mean_s8*.
 *   in [pixels][channels]   out [channels]
 * Byte arrays, no alignment; in and out do not overlap; no scratch.
 * Where input and output share scale and zero point, TFLM divides the raw sum and truncates towards zero.
 * Elsewhere it scales sum - pixels * zero point by a multiplier that contains 1 / pixels; sum_offset is
 * -pixels * zero point.
 * Bound: pixels <= 2^22 (the compiler refuses more), so that the sum and the offset are within 2^29 each.
 * Spec: TFLite int8 quantization, MEAN over axes 1 and 2; requantize.h rounds. */
#ifndef MCU_MEAN_H
#define MCU_MEAN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_mean_s8 {
    int32_t pixels;
    int32_t channels;
    int32_t same_quantization; /* 1: divide and truncate; the fields below are unused */
    int32_t sum_offset;
    int32_t multiplier;
    int32_t shift;
    int32_t out_zero_point;
};

void mcu_mean_s8(const struct mcu_mean_s8 *layer, const int8_t *in, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
