#include "measuring.h"

#include "answer.h"
#include "port.h"
#include "stack_mark.h"

static struct inference_timing last_timing;

void measuring_keep(const struct inference_timing *timing) {
    last_timing = *timing;
}

void measuring_model(const struct protocol *protocol) {
    (void)protocol;
    const struct mcu_model *model = inference_model();
    answer_bracketed("m-model-name-", model->name);
    answer_bracketed("m-model-hash-", model->hash);
    answer_text("m-input-encoding-[");
    for (uint32_t i = 0; i < model->input_count; i++) {
        answer_text(i == 0 ? "" : " ");
        answer_text(model->inputs[i].encoding == MCU_UINT8 ? "pixel_u8" : "int8");
    }
    answer_line("]");
    answer_count("m-input-bytes-", inference_input_bytes());
    answer_count("m-output-bytes-", inference_output_bytes());
    answer_count("m-arena-bytes-", model->arena_bytes);
    answer_count("m-layer-count-", model->layer_count);
}

void measuring_clock(const struct protocol *protocol) {
    (void)protocol;
    answer_count("m-clock-hz-", port_clock_hz());
    answer_bracketed("m-timer-", port_timer() == PORT_TIMER_DWT ? "cycles" : "ticks");
    answer_count("m-timer-hz-", port_timer_hz());
}

void measuring_crc(const struct protocol *protocol) {
    (void)protocol;
    if (inference_state() < INFERENCE_LOADED) {
        answer_refusal("No input is loaded");
        return;
    }
    const uint32_t crc = inference_load_crc();
    answer_text("m-crc-");
    for (uint32_t shift = 32; shift != 0; shift -= 8) {
        answer_byte((uint8_t)(crc >> (shift - 8)));
    }
    answer_end();
}

void measuring_ticks(const struct protocol *protocol) {
    (void)protocol;
    if (last_timing.runs == 0) {
        answer_refusal("No 'infer' since boot");
        return;
    }
    answer_count("m-ticks-runs-", last_timing.runs);
    answer_count("m-ticks-start-", last_timing.start);
    answer_count("m-ticks-end-", last_timing.end);
    answer_count("m-ticks-total-", last_timing.end - last_timing.start);
    answer_count("m-ticks-min-", last_timing.least);
    answer_count("m-ticks-max-", last_timing.most);
}

void measuring_outputs(const struct protocol *protocol) {
    enum { BYTES_A_LINE = 32 };
    (void)protocol;
    if (inference_state() != INFERENCE_RAN) {
        answer_refusal("No run since the last load");
        return;
    }
    const uint32_t bytes = inference_output_bytes();
    for (uint32_t i = 0; i < bytes; i++) {
        answer_text(i % BYTES_A_LINE == 0 ? "m-outputs-" : "");
        answer_byte((uint8_t)inference_output(i));
        if (i % BYTES_A_LINE == BYTES_A_LINE - 1 || i == bytes - 1) {
            answer_end();
        }
    }
}

void measuring_layers(const struct protocol *protocol) {
    (void)protocol;
    const struct mcu_model *model = inference_model();
    uint64_t total = 0;
    if (inference_state() != INFERENCE_LOADED) {
        answer_refusal("No input is loaded, or a run has used it up");
        return;
    }
    for (uint32_t i = 0; i < model->layer_count; i++) {
        const uint64_t took = inference_run_layer(i);
        total += took;
        answer_text("m-layer-[");
        answer_number(i);
        answer_text(" ");
        answer_text(model->layers[i].name);
        answer_text(" ");
        answer_number(model->layers[i].macs);
        answer_text(" ");
        answer_number(took);
        answer_line("]");
    }
    answer_count("m-layers-total-", total);
    answer_count("m-layers-timing-", inference_time_nothing());
}

void measuring_memory(const struct protocol *protocol) {
    (void)protocol;
    answer_count("m-stack-used-", stack_mark_used());
    answer_count("m-stack-bytes-", stack_mark_bytes());
    answer_count("m-arena-bytes-", inference_model()->arena_bytes);
}
