module example.org/field

go 1.21

require github.com/acme/acmedb v1.0.0

replace github.com/acme/acmedb => ./third_party/acmedb
