/* All outputs of one vector of inputs, with Helium (MVE): the inner loops of pointwise_mve, conv_mve and
 * fully_connected_mve.
 *
 * Four output channels at a time: 16 inputs are loaded once and multiplied with four channels' weights.
 * Inputs that are left stand in a vector with zeros behind them, whose weights are loaded with whatever
 * follows.
 *
 *   groups      of four channels: 0 to 3, 4 to 7, ..., out_channels - 4 to out_channels - 1: the last
 *               overlaps the one before where out_channels is no multiple of four
 *   weights     of each group, for each 16 inputs, 16 of each channel; then as many as inputs are left.
 *               15 bytes behind the last may be read
 *   parameters  of each group four biases with the zero point folded in, multipliers, shifts (requantize.h)
 *
 * Bound: the caller's, see there: no partial sum overflows int32, in whatever order it is added. */
#ifndef MCU_PRODUCT_MVE_H
#define MCU_PRODUCT_MVE_H

#include <arm_mve.h>
#include <stdint.h>

#include "inline.h"
#include "requantize_mve.h"

#define MCU_LANES_S8 16
#define MCU_GROUP 4

struct mcu_product_mve {
    int32_t in_channels;
    int32_t out_channels; /* 4 or more */
    struct mcu_output output;
    const int8_t *weights;
    const int32_t *parameters;
};

/* What is left of the inputs behind their last whole vector. */
struct mcu_rest_mve {
    int8x16_t inputs;
    int32_t count;
};

/* Four channels' sums of products: of so many vectors of x, and where WITH_REST says so of the rest of the
 * inputs, added to the biases. Moves the weights behind what it read, the parameters to the multipliers. In
 * assembly, as gcc 12 takes a third more instructions and keeps sums on the stack; VMLADAVA wants them in
 * even registers. */
#define MCU_ADD_PRODUCTS(SUMS, PARAMETERS, X, W, VECTORS, REST, WITH_REST)                                   \
    do {                                                                                                     \
        const int8_t *at;                                                                                    \
        int32_t a0, a1, a2, a3;                                                                              \
        __asm("    ldrd         %[a0], %[a1], [%[p]], #8                          \n"                        \
              "    ldrd         %[a2], %[a3], [%[p]], #8                          \n"                        \
              "    mov          %[at], %[x]                                       \n"                        \
              "    wls          lr, %[vectors], 2f                                \n"                        \
              "1:  vldrb.8      q0, [%[at]], #16                                  \n"                        \
              "    vldrb.8      q1, [%[w]], #16                                   \n"                        \
              "    vmladava.s8  %[a0], q0, q1                                     \n"                        \
              "    vldrb.8      q2, [%[w]], #16                                   \n"                        \
              "    vmladava.s8  %[a1], q0, q2                                     \n"                        \
              "    vldrb.8      q1, [%[w]], #16                                   \n"                        \
              "    vmladava.s8  %[a2], q0, q1                                     \n"                        \
              "    vldrb.8      q2, [%[w]], #16                                   \n"                        \
              "    vmladava.s8  %[a3], q0, q2                                     \n"                        \
              "    le           lr, 1b                                            \n"                        \
              "2:                                                                 \n" WITH_REST              \
              "    vmov         %q[v][2], %q[v][0], %[a0], %[a2]                  \n"                        \
              "    vmov         %q[v][3], %q[v][1], %[a1], %[a3]                  \n"                        \
              : [v] "=&w"(SUMS), [p] "+r"(PARAMETERS), [w] "+r"(W), [at] "=&r"(at), [a0] "=&Te"(a0),         \
                [a1] "=&Te"(a1), [a2] "=&Te"(a2), [a3] "=&Te"(a3)                                            \
              : [x] "r"(X), [vectors] "r"(VECTORS), [rest] "w"((REST).inputs), [count] "r"((REST).count)     \
              : "lr", "q0", "q1", "q2", "memory");                                                           \
    } while (0)

#define MCU_NO_REST ""
#define MCU_REST                                                                                             \
    "    vldrb.8      q0, [%[w]]                  \n"                                                        \
    "    add          %[w], %[w], %[count]        \n"                                                        \
    "    vmladava.s8  %[a0], %q[rest], q0         \n"                                                        \
    "    vldrb.8      q1, [%[w]]                  \n"                                                        \
    "    add          %[w], %[w], %[count]        \n"                                                        \
    "    vmladava.s8  %[a1], %q[rest], q1         \n"                                                        \
    "    vldrb.8      q0, [%[w]]                  \n"                                                        \
    "    add          %[w], %[w], %[count]        \n"                                                        \
    "    vmladava.s8  %[a2], %q[rest], q0         \n"                                                        \
    "    vldrb.8      q1, [%[w]]                  \n"                                                        \
    "    add          %[w], %[w], %[count]        \n"                                                        \
    "    vmladava.s8  %[a3], %q[rest], q1         \n"

/* x [in_channels] to out [out_channels], which do not overlap. */
MCU_INLINE void mcu_multiply_mve(const struct mcu_product_mve *product, const int8_t *x, int8_t *out) {
    const int32_t vectors = product->in_channels / MCU_LANES_S8;
    const int32_t left = product->in_channels % MCU_LANES_S8;
    const struct mcu_rest_mve rest = {vldrbq_z_s8(x + product->in_channels - left, vctp8q((uint32_t)left)),
                                      left};
    const struct mcu_output_mve output = mcu_output_of(product->output);
    const int32_t *parameters = product->parameters;
    const int8_t *w = product->weights;
    int8_t *const last = out + product->out_channels - MCU_GROUP;
    for (int32_t groups = (product->out_channels + MCU_GROUP - 1) / MCU_GROUP; groups > 0; groups--) {
        int32x4_t sums;
        if (left == 0) {
            MCU_ADD_PRODUCTS(sums, parameters, x, w, vectors, rest, MCU_NO_REST);
        } else {
            MCU_ADD_PRODUCTS(sums, parameters, x, w, vectors, rest, MCU_REST);
        }
        sums = mcu_scale_down_mve(sums, vldrwq_s32(parameters), vldrwq_s32(parameters + MCU_GROUP));
        vstrbq_s32(out, mcu_clamp_mve(sums, output));
        parameters += 2 * MCU_GROUP;
        out += MCU_GROUP;
        out = out < last ? out : last;
    }
}

#endif
