module golens.test/runtime

go 1.17
