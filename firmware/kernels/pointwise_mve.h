/* Pointwise (1x1, stride 1) convolution with Helium (MVE): equal to pointwise.h, with the same order of
 * pixels and overlap, for four output channels or more and factors below 1. product_mve.h says how weights
 * and parameters lie. */
#ifndef MCU_POINTWISE_MVE_H
#define MCU_POINTWISE_MVE_H

#include <stdint.h>

#include "requantize.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_pointwise_s8_mve {
    int32_t descending; /* 1: last pixel first, for an output that lies above its input */
    int32_t pixels;
    int32_t in_channels;
    int32_t out_channels;
    struct mcu_output output;
    const int8_t *weights;
    const int32_t *parameters;
};

void mcu_pointwise_s8_mve(const struct mcu_pointwise_s8_mve *layer, const int8_t *in, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
