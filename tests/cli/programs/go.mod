module memsnap.test/ledger

go 1.21
