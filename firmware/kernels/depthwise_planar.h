/* Depthwise convolution of channel multiplier 1, one channel after the other, int8, portable: bit-equal to
 * depthwise_s8, for an output that lies on its input.
 *   in [y.in_size][x.in_size][in_channels]   weights [y.taps][x.taps][in_channels]
 *   out [y.out_size][x.out_size][in_channels]   scratch [y.out_size][x.out_size]
 * All byte arrays, no alignment. A channel's whole output is computed into scratch and then copied out, so
 * that only this channel's bytes are read and written: out may overlap in at any distance that is a multiple
 * of in_channels, 0 included. scratch overlaps neither. Its steps in row_done.h are channels.
 * Padding, interior_bias and the bound are those of depthwise.h.
 * Spec: TFLite int8 quantization, DEPTHWISE_CONV_2D; in place as in MCUNet, arXiv 2007.10319, section 3.2. */
#ifndef MCU_DEPTHWISE_PLANAR_H
#define MCU_DEPTHWISE_PLANAR_H

#include <stdint.h>

#include "requantize.h"
#include "window.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_depthwise_planar_s8 {
    struct mcu_axis y;
    struct mcu_axis x;
    int32_t in_channels;
    int32_t in_zero_point;
    struct mcu_output output;
    const int8_t *weights;
    const int32_t *bias;              /* [in_channels] */
    const int32_t *interior_bias;     /* [in_channels], zero point folded in */
    const struct mcu_factor *factors; /* [in_channels] */
};

void mcu_depthwise_planar_s8(const struct mcu_depthwise_planar_s8 *layer, const int8_t *in, int8_t *out,
                             int8_t *scratch);

#ifdef __cplusplus
}
#endif

#endif
