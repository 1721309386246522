select 'range ' || ranges.prefix || ' in epoch ' || ranges.epoch || ' without the flip that ended the one before' as broken
  from authorisations.ranges
 where ranges.epoch > 1
   and not exists (select from authorisations.flips
                    where flips.prefix = ranges.prefix and flips.epoch = ranges.epoch - 1)
