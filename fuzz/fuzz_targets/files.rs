#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| trigrun_fuzz::files::run(input));
