/* Pointwise (1x1, stride 1) convolution, int8, portable: the specification of pointwise_s8*.
 *   in [pixels][in_channels]   weights [out_channels][in_channels]   out [pixels][out_channels]
 * All byte arrays, no alignment, no scratch. out may overlap in as long as no output pixel lies on input
 * pixels that are still to be read, its own included: pixel_order.h. Its steps in row_done.h are pixels.
 * bias holds the input's zero point already: bias[o] - zero_point * sum of weights[o], so that raw inputs
 * are multiplied.
 * Bound: the compiler refuses a channel in which |bias[o]| + 128 * sum |weights[o]| reaches 2^31; hence no
 * partial sum overflows int32, in whatever order it is added.
 * Spec: TFLite int8 quantization, CONV_2D (weights symmetric per output channel); requantize.h rounds. */
#ifndef MCU_POINTWISE_H
#define MCU_POINTWISE_H

#include <stdint.h>

#include "requantize.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_pointwise_s8 {
    int32_t descending; /* 1: last pixel first, for an output that lies above its input */
    int32_t pixels;
    int32_t in_channels;
    int32_t out_channels;
    struct mcu_output output;
    const int8_t *weights;
    const int32_t *bias;              /* [out_channels], zero point folded in */
    const struct mcu_factor *factors; /* [out_channels] */
};

void mcu_pointwise_s8(const struct mcu_pointwise_s8 *layer, const int8_t *in, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
