module golens.test/targets

go 1.21
