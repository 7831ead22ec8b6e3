module github.com/acme/acmedb

go 1.21
