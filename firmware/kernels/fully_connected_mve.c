#include "fully_connected_mve.h"

#include "product_mve.h"

void mcu_fully_connected_s8_mve(const struct mcu_fully_connected_s8_mve *layer, const int8_t *in,
                                int8_t *out) {
    const struct mcu_product_mve product = {layer->in_channels, layer->out_channels, layer->output,
                                            layer->weights, layer->parameters};
    for (int32_t row = 0; row < layer->rows; row++) {
        mcu_multiply_mve(&product, in + row * layer->in_channels, out + row * layer->out_channels);
    }
}
