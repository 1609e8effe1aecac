/* Depthwise convolution with Helium (MVE): equal to depthwise.h, with the same order of pixels and overlap,
 * for a channel multiplier of 1, eight channels or more and factors below 1.
 *   groups      of eight channels: 0 to 7, 8 to 15, ..., in_channels - 8 to in_channels - 1: the last
 *               overlaps the one before where in_channels is no multiple of eight
 *   weights     [groups][y.taps][x.taps][8]
 *   parameters  [groups][4][8]: biases, biases with the zero point folded in, multipliers and shifts
 *               (requantize.h), each of the group's channels 0, 2, 4, 6, 1, 3, 5, 7 */
#ifndef MCU_DEPTHWISE_MVE_H
#define MCU_DEPTHWISE_MVE_H

#include <stdint.h>

#include "requantize.h"
#include "window.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_depthwise_s8_mve {
    int32_t descending; /* 1: last pixel first, for an output that lies above its input */
    struct mcu_axis y;
    struct mcu_axis x;
    int32_t in_channels;
    int32_t in_zero_point;
    struct mcu_output output;
    const int8_t *weights;
    const int32_t *parameters;
};

void mcu_depthwise_s8_mve(const struct mcu_depthwise_s8_mve *layer, const int8_t *in, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
