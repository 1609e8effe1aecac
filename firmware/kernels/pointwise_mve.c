#include "pointwise_mve.h"

#include "pixel_order.h"
#include "product_mve.h"

void mcu_pointwise_s8_mve(const struct mcu_pointwise_s8_mve *layer, const int8_t *in, int8_t *out) {
    const struct mcu_product_mve product = {layer->in_channels, layer->out_channels, layer->output,
                                            layer->weights, layer->parameters};
    for (int32_t step = 0; step < layer->pixels; step++) {
        const int32_t pixel = mcu_in_order(step, layer->pixels, layer->descending);
        mcu_multiply_mve(&product, in + pixel * layer->in_channels, out + pixel * layer->out_channels);
    }
}
