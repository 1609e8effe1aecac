/* What a generated model tells the program that hosts it: sizes, quantization, layers, entry points.
 *
 * A model is compiled to constants and functions only. Its single piece of state is the arena that the
 * caller hands in, so two arenas give two independent instances. */
#ifndef MCU_MODEL_H
#define MCU_MODEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How the bytes that a host sends become the input tensor. */
enum mcu_input_encoding {
    MCU_INPUT_INT8,     /* the tensor's own bytes */
    MCU_INPUT_PIXEL_U8, /* pixels 0..255; int8 = pixel - 128, i.e. each byte XOR 0x80 */
};

/* An input or output in the arena. real = (q - zero_point) * scale_mantissa * 2^-scale_shift. */
struct mcu_tensor {
    uint32_t offset; /* bytes from the arena's start */
    uint32_t bytes;
    int32_t zero_point;
    int32_t scale_mantissa; /* in [2^30, 2^31) */
    int32_t scale_shift;
};

/* One layer; running all of them in order is one inference. */
struct mcu_layer {
    const char *name; /* TFLite operator */
    void (*run)(uint8_t *arena);
    uint32_t macs;
};

struct mcu_model {
    const char *name;
    const char *hash; /* first 16 hex digits of the SHA-256 of the .tflite file */
    uint32_t arena_bytes;
    uint32_t arena_align;
    enum mcu_input_encoding input_encoding;
    uint32_t input_count;
    uint32_t output_count;
    uint32_t layer_count;
    uint32_t label_count;
    const struct mcu_tensor *inputs;
    const struct mcu_tensor *outputs;
    const struct mcu_layer *layers;
    const char *const *labels; /* class names, where the model has them */
    void (*run)(void *arena);
};

#ifdef __cplusplus
}
#endif

#endif
