drop table run_keys;
