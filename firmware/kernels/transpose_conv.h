/* Transposed convolution, int8, portable: the specification of transpose_conv_s8*.
 *   in [y.in_size][x.in_size][in_channels]   weights [out_channels][y.taps][x.taps][in_channels]
 *   out [y.out_size][x.out_size][out_channels]
 * All byte arrays, no alignment, no scratch; in and out do not overlap.
 * Input position i adds to output o = i * stride - pad + k through tap k. Computed by output pixel: each
 * gathers the taps that reach it, so that no image of accumulators is kept. An output that no tap reaches
 * is its bias. pad is the padding before the first element of the convolution that goes from out to in.
 * Bound: the compiler refuses a channel in which |bias[o]| + 255 * sum |weights[o]| reaches 2^31; hence no
 * partial sum overflows int32, in whatever order it is added.
 * Spec: TFLite int8 quantization, TRANSPOSE_CONV (weights symmetric per output channel); requantize.h
 * rounds. */
#ifndef MCU_TRANSPOSE_CONV_H
#define MCU_TRANSPOSE_CONV_H

#include <stdint.h>

#include "requantize.h"
#include "window.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_transpose_conv_s8 {
    struct mcu_axis y; /* sizes of in and out; dilation is 1 */
    struct mcu_axis x;
    int32_t in_channels;
    int32_t out_channels;
    int32_t in_zero_point;
    struct mcu_output output;
    const int8_t *weights;
    const int32_t *bias;              /* [out_channels] */
    const struct mcu_factor *factors; /* [out_channels] */
};

void mcu_transpose_conv_s8(const struct mcu_transpose_conv_s8 *layer, const int8_t *in, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
