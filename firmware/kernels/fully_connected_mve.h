/* Fully connected layer with Helium (MVE): equal to fully_connected.h, for four output channels or more and
 * factors below 1. product_mve.h says how weights and parameters lie. */
#ifndef MCU_FULLY_CONNECTED_MVE_H
#define MCU_FULLY_CONNECTED_MVE_H

#include <stdint.h>

#include "requantize.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_fully_connected_s8_mve {
    int32_t rows;
    int32_t in_channels;
    int32_t out_channels;
    struct mcu_output output;
    const int8_t *weights;
    const int32_t *parameters;
};

void mcu_fully_connected_s8_mve(const struct mcu_fully_connected_s8_mve *layer, const int8_t *in,
                                int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
