/* Depthwise convolution of any window, stride, dilation and channel multiplier, int8, portable: the
 * specification of depthwise_s8*.
 *   in [y.in_size][x.in_size][in_channels]   weights [y.taps][x.taps][in_channels * multiplier]
 *   out [y.out_size][x.out_size][in_channels * multiplier]
 * Output channel o reads input channel o / channel_multiplier.
 * All byte arrays, no alignment, no scratch. out may overlap in as long as no output pixel lies on input
 * that its own window or a later pixel's reads: pixel_order.h.
 * A tap outside the input reads the real value 0, i.e. the input's zero point. Windows wholly inside use
 * interior_bias[o] = bias[o] - zero_point * sum of o's weights on raw inputs; windows at the border skip
 * the taps outside and subtract the zero point from each input.
 * Bound: the compiler refuses a channel in which max(|bias[o]|, |interior_bias[o]|) + 255 * sum |weights|
 * reaches 2^31; hence no partial sum overflows int32.
 * Spec: TFLite int8 quantization, DEPTHWISE_CONV_2D (weights symmetric per output channel); requantize.h
 * rounds. */
#ifndef MCU_DEPTHWISE_H
#define MCU_DEPTHWISE_H

#include <stdint.h>

#include "requantize.h"
#include "window.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_depthwise_s8 {
    int32_t descending; /* 1: last pixel first, for an output that lies above its input */
    struct mcu_axis y;
    struct mcu_axis x;
    int32_t in_channels;
    int32_t channel_multiplier;
    int32_t in_zero_point;
    struct mcu_output output;
    const int8_t *weights;
    const int32_t *bias;              /* [in_channels * channel_multiplier] */
    const int32_t *interior_bias;     /* the same, zero point folded in */
    const struct mcu_factor *factors; /* [in_channels * channel_multiplier] */
};

void mcu_depthwise_s8(const struct mcu_depthwise_s8 *layer, const int8_t *in, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
