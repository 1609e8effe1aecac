#include "mlperf.h"

#include <stddef.h>
#include <string.h>

#include "answer.h"
#include "inference.h"
#include "measuring.h"
#include "port.h"

static uint64_t microseconds(uint64_t ticks) {
    const uint64_t hz = port_timer_hz();
    return ticks / hz * 1000000 + ticks % hz * 1000000 / hz; /* no overflow below 584,000 years */
}

static void say_lap(uint64_t ticks) {
    answer_count("m-lap-us-", microseconds(ticks));
}

void mlperf_name(const struct protocol *protocol) {
    (void)protocol;
    answer_bracketed("m-name-dut-", BOARD_NAME);
}

void mlperf_profile(const struct protocol *protocol) {
    (void)protocol;
    answer_bracketed("m-profile-", MLPERF_PROFILE);
    answer_bracketed("m-model-", inference_model()->name);
}

void mlperf_timestamp(const struct protocol *protocol) {
    (void)protocol;
    say_lap(port_timer_now());
}

static void load(const struct protocol *protocol) {
    uint32_t bytes = 0;
    if (protocol->word_count != 3 || !protocol_parse_number(protocol->words[2], &bytes)) {
        answer_refusal("Command 'db load' requires the # of bytes");
    } else if (inference_fault() != NULL) {
        answer_refusal(inference_fault());
    } else if (bytes != inference_input_bytes()) {
        answer_text("e-[The model's input has ");
        answer_number(inference_input_bytes());
        answer_line(" bytes]");
    } else {
        inference_load_begin();
        answer_text("m-[Expecting ");
        answer_number(bytes);
        answer_line(" bytes]");
    }
}

static void print_input(void) {
    enum { BYTES_A_LINE = 8 };
    if (inference_state() != INFERENCE_LOADED) {
        answer_refusal("No input is loaded, or a run has used it up");
        return;
    }
    const uint32_t bytes = inference_input_bytes();
    for (uint32_t i = 0; i < bytes; i++) {
        answer_text(i % BYTES_A_LINE == 0 ? "m-buffer-" : "-");
        answer_byte(inference_loaded_byte(i));
        if (i % BYTES_A_LINE == BYTES_A_LINE - 1 || i == bytes - 1) {
            answer_end();
        }
    }
}

/* All of the line is checked before any of it is stored, so that a refused line can be sent again. */
static void load_hex(const char *hex) {
    uint8_t byte = 0;
    if (inference_state() != INFERENCE_LOADING) {
        answer_refusal("'db load N' must come before data");
        return;
    }
    const size_t digits = strlen(hex);
    if (digits % 2 != 0) {
        answer_refusal("Insufficient number of hex digits");
        return;
    }
    for (size_t i = 0; i < digits; i += 2) {
        if (!protocol_parse_byte(&hex[i], &byte)) {
            answer_refusal_of("Invalid hex digits: ", hex);
            return;
        }
    }
    if (digits / 2 > inference_load_missing()) {
        answer_refusal("More bytes than 'db load' announced");
        return;
    }
    for (size_t i = 0; i < digits; i += 2) {
        protocol_parse_byte(&hex[i], &byte);
        inference_load_byte(byte);
    }
    if (inference_state() == INFERENCE_LOADED) {
        answer_line("m-load-done");
    }
}

void mlperf_db(const struct protocol *protocol) {
    if (protocol->word_count == 1) {
        answer_refusal("Command 'db' requires a subcommand");
    } else if (strcmp(protocol->words[1], "load") == 0) {
        load(protocol);
    } else if (protocol->word_count != 2) {
        answer_refusal("Too many words: db");
    } else if (strcmp(protocol->words[1], "print") == 0) {
        print_input();
    } else {
        load_hex(protocol->words[1]);
    }
}

static void say_results(void) {
    answer_text("m-results-[");
    for (uint32_t i = 0; i < inference_output_bytes(); i++) {
        answer_text(i == 0 ? "" : ",");
        answer_real(inference_output(i), inference_output_tensor(i));
    }
    answer_line("]");
}

void mlperf_infer(const struct protocol *protocol) {
    uint32_t runs = 1;
    uint32_t warmup = 10;
    if (protocol->word_count > 1 && (!protocol_parse_number(protocol->words[1], &runs) || runs == 0)) {
        answer_refusal("Inference iterations must be >0");
    } else if (protocol->word_count > 2 && !protocol_parse_number(protocol->words[2], &warmup)) {
        answer_refusal("Inference warmup must be >=0");
    } else if (inference_state() == INFERENCE_EMPTY) {
        answer_refusal("No input is loaded");
    } else if (inference_state() == INFERENCE_LOADING) {
        answer_refusal("The input is not complete");
    } else {
        answer_count("m-warmup-start-", warmup);
        inference_run(warmup);
        answer_line("m-warmup-done");
        answer_count("m-infer-start-", runs);
        /* Both laps are said afterwards: saying one costs time that the second would count. */
        const struct inference_timing timing = inference_run(runs);
        measuring_keep(&timing);
        say_lap(timing.start);
        say_lap(timing.end);
        answer_line("m-infer-done");
        say_results();
    }
}

void mlperf_results(const struct protocol *protocol) {
    (void)protocol;
    if (inference_state() != INFERENCE_RAN) {
        answer_refusal("No run since the last load");
        return;
    }
    say_results();
}

void mlperf_say_boot(void) {
    answer_text("m-hello-[");
    answer_text(inference_model()->name);
    answer_text(" ");
    answer_text(inference_model()->hash);
    answer_line("]");
    if (inference_fault() != NULL) {
        answer_refusal(inference_fault());
    }
    answer_line("m-timestamp-mode-performance");
    say_lap(port_timer_now());
    answer_line("m-init-done");
    answer_line("m-ready");
}
