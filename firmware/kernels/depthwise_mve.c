#include "depthwise_mve.h"

#include "depthwise_window.h"
#include "lanes_mve.h"
#include "pixel_order.h"
#include "requantize_mve.h"

/* Eight channels' weights of a window and what else their outputs need. */
struct group {
    const int8_t *weights;
    const int32_t *parameters;
};

/* Adds a window's products. VMULLB multiplies the even channels, VMULLT the odd ones. WITH_ADDED may add to
 * each input, WITH_SECOND work on eight channels more. In assembly, as gcc 12 leaves half as many
 * instructions again in the loops. */
#define ADD_WINDOW(PATCH, IN, FIRST, WEIGHTS, SECOND, SECOND_WEIGHTS, ADDED, WITH_ADDED, WITH_SECOND)        \
    do {                                                                                                     \
        const int8_t *x = (IN), *w = (WEIGHTS), *w2 = (SECOND_WEIGHTS);                                      \
        int32_t rows = (PATCH)->rows;                                                                        \
        const int32_t x_step = (PATCH)->in_row - (PATCH)->columns * (PATCH)->in_column;                      \
        const int32_t w_step = (PATCH)->weight_row - (PATCH)->columns * MCU_EIGHT;                           \
        __asm("    cmp         %[rows], #0                \n"                                                \
              "    ble         4f                         \n"                                                \
              "1:  wls         lr, %[columns], 3f         \n"                                                \
              "2:  vldrb.s16   q0, [%[x]]                 \n"                                                \
              "    vldrb.s16   q1, [%[w]], #8             \n" WITH_ADDED                                     \
              "    vmullb.s16  q2, q0, q1                 \n"                                                \
              "    vmullt.s16  q0, q0, q1                 \n"                                                \
              "    vadd.i32    %q[even], %q[even], q2     \n"                                                \
              "    vadd.i32    %q[odd], %q[odd], q0       \n" WITH_SECOND                                    \
              "    add         %[x], %[x], %[in_column]   \n"                                                \
              "    le          lr, 2b                     \n"                                                \
              "3:  add         %[x], %[x], %[x_step]      \n"                                                \
              "    add         %[w], %[w], %[w_step]      \n"                                                \
              "    add         %[w2], %[w2], %[w_step]    \n"                                                \
              "    subs        %[rows], %[rows], #1       \n"                                                \
              "    bgt         1b                         \n"                                                \
              "4:                                         \n"                                                \
              : [even] "+w"((FIRST).even), [odd] "+w"((FIRST).odd), [even2] "+w"((SECOND).even),             \
                [odd2] "+w"((SECOND).odd), [x] "+l"(x), [w] "+l"(w), [w2] "+l"(w2), [rows] "+r"(rows)        \
              : [columns] "r"((PATCH)->columns), [in_column] "r"((PATCH)->in_column), [x_step] "r"(x_step),  \
                [w_step] "r"(w_step), [added] "r"(ADDED)                                                     \
              : "lr", "q0", "q1", "q2", "cc", "memory");                                                     \
    } while (0)

#define ADDITION "    vadd.i16    q0, q0, %[added]           \n"
#define SECOND_GROUP(WITH_ADDED)                                                                             \
    "    vldrb.s16   q0, [%[x], #8]             \n"                                                          \
    "    vldrb.s16   q1, [%[w2]], #8            \n" WITH_ADDED                                               \
    "    vmullb.s16  q2, q0, q1                 \n"                                                          \
    "    vmullt.s16  q0, q0, q1                 \n"                                                          \
    "    vadd.i32    %q[even2], %q[even2], q2   \n"                                                          \
    "    vadd.i32    %q[odd2], %q[odd2], q0     \n"

MCU_INLINE struct mcu_eight_mve load_eight(const int32_t *values) {
    const struct mcu_eight_mve eight = {vldrwq_s32(values), vldrwq_s32(values + 4)};
    return eight;
}

/* The outputs of eight channels' sums. */
MCU_INLINE void finish(struct mcu_eight_mve sums, struct group group, struct mcu_output output, int8_t *out) {
    const struct mcu_eight_mve multipliers = load_eight(group.parameters + 2 * MCU_EIGHT);
    const struct mcu_eight_mve shifts = load_eight(group.parameters + 3 * MCU_EIGHT);
    const struct mcu_output_mve vectors = mcu_output_of(output);
    sums.even = mcu_clamp_mve(mcu_scale_down_mve(sums.even, multipliers.even, shifts.even), vectors);
    sums.odd = mcu_clamp_mve(mcu_scale_down_mve(sums.odd, multipliers.odd, shifts.odd), vectors);
    mcu_store_eight(sums, out);
}

/* All channels of one pixel, sixteen at a time, then eight, whose last group may overlap the one before.
 * bias: 0 for the biases, MCU_EIGHT for those of raw inputs. offset is added to each input: a literal 0 or a
 * loop invariant. */
MCU_INLINE void pixel(const struct mcu_depthwise_s8_mve *layer, const struct mcu_depthwise_patch *patch,
                      int32_t bias, int16_t offset, int8_t *out) {
    const int32_t group_weights = layer->y.taps * layer->x.taps * MCU_EIGHT;
    const int32_t last = layer->in_channels - MCU_EIGHT;
    struct group group = {patch->weights, layer->parameters};
    int32_t channel = 0;
    for (; channel + MCU_EIGHT <= last; channel += 2 * MCU_EIGHT) {
        const struct group next = {group.weights + group_weights, group.parameters + 4 * MCU_EIGHT};
        struct mcu_eight_mve first = load_eight(group.parameters + bias);
        struct mcu_eight_mve second = load_eight(next.parameters + bias);
        if (offset == 0) {
            ADD_WINDOW(patch, patch->in + channel, first, group.weights, second, next.weights, 0, "",
                       SECOND_GROUP(""));
        } else {
            ADD_WINDOW(patch, patch->in + channel, first, group.weights, second, next.weights, offset,
                       ADDITION, SECOND_GROUP(ADDITION));
        }
        finish(first, group, layer->output, out + channel);
        finish(second, next, layer->output, out + channel + MCU_EIGHT);
        group.weights = next.weights + group_weights;
        group.parameters = next.parameters + 4 * MCU_EIGHT;
    }
    for (; channel < layer->in_channels; channel += MCU_EIGHT) {
        const int32_t at = channel < last ? channel : last;
        struct mcu_eight_mve sums = load_eight(group.parameters + bias);
        struct mcu_eight_mve none = sums;
        ADD_WINDOW(patch, patch->in + at, sums, group.weights, none, group.weights, offset, ADDITION, "");
        finish(sums, group, layer->output, out + at);
        group.weights += group_weights;
        group.parameters += 4 * MCU_EIGHT;
    }
}

void mcu_depthwise_s8_mve(const struct mcu_depthwise_s8_mve *layer, const int8_t *in, int8_t *out) {
    const int16_t offset = (int16_t)-layer->in_zero_point;
    const int32_t in_channels = layer->in_channels;
    const int32_t out_step = layer->descending ? -in_channels : in_channels;
    int32_t at = mcu_first_pixel(layer->y.out_size * layer->x.out_size, in_channels, layer->descending);
    for (int32_t step = 0; step < layer->y.out_size; step++) {
        const int32_t out_y = mcu_in_order(step, layer->y.out_size, layer->descending);
        const struct mcu_span y = mcu_span_at(&layer->y, out_y);
        for (int32_t i = 0; i < layer->x.out_size; i++) {
            const int32_t out_x = mcu_in_order(i, layer->x.out_size, layer->descending);
            const struct mcu_span x = mcu_span_at(&layer->x, out_x);
            const struct mcu_depthwise_patch patch = mcu_depthwise_patch_at(
                &layer->y, y, &layer->x, x, in, in_channels, layer->weights, MCU_EIGHT);
            if (patch.rows == layer->y.taps && patch.columns == layer->x.taps) {
                pixel(layer, &patch, MCU_EIGHT, 0, out + at);
            } else {
                pixel(layer, &patch, 0, offset, out + at);
            }
            at += out_step;
        }
    }
}
