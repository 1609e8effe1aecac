#include "fully_connected.h"

#include "dot.h"

static void row(const struct mcu_fully_connected_s8 *layer, const int8_t *in, int8_t *out) {
    const int32_t in_channels = layer->in_channels;
    const struct mcu_output output = layer->output;
    const int8_t *w = layer->weights;
    const int32_t *bias = layer->bias;
    const struct mcu_factor *factors = layer->factors;
    int32_t left = layer->out_channels;
    for (; left >= 4; left -= 4) {
        int32_t acc[4] = {bias[0], bias[1], bias[2], bias[3]};
        mcu_dot4_s8(acc, in, w, in_channels, in_channels, 0);
        mcu_requantize4_s8(acc, factors, output, out);
        w += 4 * in_channels;
        bias += 4;
        factors += 4;
        out += 4;
    }
    for (; left > 0; left--) {
        *out++ = mcu_requantize_s8(mcu_dot_s8(*bias++, in, w, in_channels, 0), *factors++, output);
        w += in_channels;
    }
}

void mcu_fully_connected_s8(const struct mcu_fully_connected_s8 *layer, const int8_t *in, int8_t *out) {
    for (int32_t i = 0; i < layer->rows; i++) {
        row(layer, in, out);
        in += layer->in_channels;
        out += layer->out_channels;
    }
}
