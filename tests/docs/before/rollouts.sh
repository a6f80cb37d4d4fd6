# Nodes, and the next version of their image.
export TALLYMAN_DB=sqlite:/var/lib/tallyman/fleet.db
{
  tallyman region create eu
  tallyman host create h1 --region eu --cpu 64 --memory 256GB --disk 16TB
  tallyman org create acme
  for version in 0.0.9 0.0.10; do
    tallyman image create "ethereum/reth-mainnet-full@$version" --uri i:1 --cpu 8 --memory 16GB --disk 1TB
  done
  tallyman node create --name-prefix eth --count 4 --image ethereum/reth-mainnet-full@0.0.9 --host h1
} >/dev/null
