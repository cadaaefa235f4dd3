module golens.test/spawn

go 1.17
